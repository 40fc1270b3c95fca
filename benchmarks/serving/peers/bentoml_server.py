"""BentoML with its adaptive batching."""

import os
import sys
from pathlib import Path

import bentoml
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from session import Session


@bentoml.service(workers=1, traffic={"max_concurrency": 1000}, metrics={"enabled": False})
class Encode:
    """Encodes the rows of a batch of requests."""

    def __init__(self) -> None:
        self._session = Session()

    @bentoml.api(batchable=True, max_batch_size=8192, max_latency_ms=10_000)
    def encode(self, rows: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        """Encode what was put together."""
        return self._session.encode(rows.astype(np.float32))


if __name__ == "__main__":
    command = [sys.executable, "-m", "bentoml", "serve", f"{Path(__file__).stem}:Encode"]
    os.chdir(Path(__file__).parent)
    os.execv(sys.executable, [*command, "--port", sys.argv[1], "--host", "127.0.0.1"])
