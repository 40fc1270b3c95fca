"""Registry of running workers: each rewrites a small file every second."""

import time
from datetime import datetime
from pathlib import Path

import orjson

from worker.store.records import WorkerRecord

SUFFIX = ".worker.json"
FRESH_S = 15.0  # workers report every second, and miss some on a busy machine


class Workers:
    """The workers that report to one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def report(self, worker: WorkerRecord) -> None:
        """Write a worker's file."""
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{worker.name}{SUFFIX}"
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(orjson.dumps(worker))
        temporary.replace(path)

    def leave(self, name: str) -> None:
        """Remove a worker's file."""
        (self._directory / f"{name}{SUFFIX}").unlink(missing_ok=True)

    def list(self) -> list[WorkerRecord]:
        """The workers that reported within the last `FRESH_S` seconds, by name."""
        paths = self._directory.glob(f"*{SUFFIX}")
        found = [record for path in paths if (record := _read(path))]
        return sorted(found, key=lambda record: record.name)


def _read(path: Path) -> WorkerRecord | None:
    try:
        if time.time() - path.stat().st_mtime > FRESH_S:
            return None
        report = orjson.loads(path.read_bytes())
    except FileNotFoundError:  # removed meanwhile
        return None
    times = {name: datetime.fromisoformat(report[name]) for name in ("since", "reported_at")}
    return WorkerRecord(**report | times | {"devices": tuple(report["devices"])})
