"""Which workers there are: each keeps a small file fresh."""

import time
from pathlib import Path

import orjson

from worker.store.records import WorkerRecord

SUFFIX = ".worker.json"
FRESH_S = 15.0  # a worker reports every second; a machine under load may skip a few


class Workers:
    """The workers that report below one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def report(self, worker: WorkerRecord) -> None:
        """Say that a worker is there."""
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{worker.name}{SUFFIX}"
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(orjson.dumps(worker))
        temporary.replace(path)

    def leave(self, name: str) -> None:
        """Say that a worker is gone."""
        (self._directory / f"{name}{SUFFIX}").unlink(missing_ok=True)

    def list(self) -> list[WorkerRecord]:
        """The workers that reported within the last seconds, by name."""
        return [record for path in sorted(self._directory.glob(f"*{SUFFIX}")) if (record := _read(path))]


def _read(path: Path) -> WorkerRecord | None:
    try:
        if time.time() - path.stat().st_mtime > FRESH_S:
            return None
        report = orjson.loads(path.read_bytes())
    except FileNotFoundError:  # it left meanwhile
        return None
    return WorkerRecord(**report | {"devices": tuple(report["devices"])})
