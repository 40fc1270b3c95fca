"""Lists the devices of a worker without loading torch into this process."""

import subprocess
import sys
from pathlib import Path

COUNT_GPUS = "import torch; print(torch.cuda.device_count())"
TIMEOUT_S = 120


def find_devices() -> tuple[str, ...]:
    """The devices torch sees: "cpu", then "cuda:0", "cuda:1", ...; takes seconds on a machine with a GPU."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return ("cpu",)
    counted = subprocess.run(
        [sys.executable, "-P", "-c", COUNT_GPUS],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_S,
    )
    return ("cpu", *(f"cuda:{index}" for index in range(int(counted.stdout))))
