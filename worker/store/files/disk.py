"""Files in a directory, on this machine's disk or on one that all machines share."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

from worker.store.database import durable_files


class DiskFiles:
    """Files below a directory; nothing is copied, a key is a path."""

    interval_s = 0.0
    scan_interval_s = 0.0

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.spool_dir = directory / "spool"

    def prepare(self) -> None:
        """Create the directory."""
        self.spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    def work_path(self, key: str, _token: int) -> Path:
        """The path of the key, for all attempts: see `Files`."""
        return self._path(key)

    def publish(self, source: Path, key: str) -> None:
        """Rename it: see `Files`."""
        if source.is_dir():
            durable_files.move_directory_into_place(source, self._path(key))
        else:
            durable_files.move_file_into_place(source, self._path(key))

    def fetch(self, key: str) -> Path:
        """Its path: see `Files`."""
        return self._path(key)

    def fetch_directory(self, key: str) -> Path:
        """Its path: see `Files`."""
        return self._path(key)

    def copy(self, key: str, target: Path) -> None:
        """Copy a directory: see `Files`."""
        try:
            shutil.copytree(self._path(key), target)
        except shutil.Error as error:  # removed during the copy
            raise FileNotFoundError(key) from error

    def remove(self, key: str) -> None:
        """Unlink it: see `Files`."""
        path = self._path(key)
        if path.is_dir():
            durable_files.remove_directory(path)
        else:
            path.unlink(missing_ok=True)

    def names(self, key: str) -> list[str]:
        """What is in a directory: see `Files`."""
        with suppress(FileNotFoundError):
            return [path.name for path in self._path(key).iterdir()]
        return []

    def is_aged(self, key: str, seconds: float) -> bool:
        """By the time of its last change: see `Files`."""
        try:
            return self._path(key).stat().st_mtime < time.time() - seconds
        except FileNotFoundError:
            return False

    def is_there_at_once(self, key: str) -> bool | None:
        """Look: see `Files`."""
        return self._path(key).exists()

    def _path(self, key: str) -> Path:
        return self._directory / key
