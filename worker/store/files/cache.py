"""A directory of this machine that keeps copies of published files, bounded in bytes."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from worker.store.database import durable_files

UNFINISHED = ".unfinished-"
KEPT_S = 60.0  # since the last use: the time to open a file that was just found
ABANDONED_AFTER_S = 86_400.0


class Cache:
    """Copies of files and directories by key; the least recently used are dropped first.

    Any number of processes may share it. A copy that is dropped while it is open stays readable.

    Args:
        max_bytes: Limit on all copies; what was used within the last minute or is held is kept beyond it.
        holds: Hold what is found until this process ends.
    """

    def __init__(self, directory: Path, *, max_bytes: int, holds: bool) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._holds = holds
        self._held: dict[Path, int] = {}

    def prepare(self) -> None:
        """Create the directory, and remove what processes that died left unfinished."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        oldest = time.time() - ABANDONED_AFTER_S
        for path in self._directory.glob(f"{UNFINISHED}*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    _remove(path)

    def find(self, key: str) -> Path | None:
        """The copy of a key, if there is one."""
        path = self._path(key)
        try:
            os.utime(path)  # used now
            if self._holds and path not in self._held:
                self._hold(path)
        except FileNotFoundError:
            return None
        return path

    @contextmanager
    def unfinished(self, size_bytes: int) -> Iterator[Path]:
        """A new directory for a copy of this size, removed at the end; makes room for it first."""
        self.make_room(size_bytes)
        directory = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self._directory))
        try:
            yield directory
        finally:
            durable_files.remove_directory(directory)

    def keep(self, source: Path, key: str) -> Path:
        """Move a finished file or directory into the cache."""
        path = self._path(key)
        try:
            source.replace(path)
        except OSError:  # another process has just put the same directory there
            if not path.is_dir():
                raise
            durable_files.remove_directory(source)
        return self.find(key) or path

    def drop(self, key: str) -> None:
        """Remove the copies of a key and of all below it."""
        name = self._path(key).name
        for path in self._directory.glob(f"{name}*"):
            if path.name == name or path.name.startswith(f"{name}{quote('/', safe='')}"):
                _remove(path)

    def make_room(self, size_bytes: int) -> None:
        """Drop copies until this many bytes fit."""
        copies = sorted(self._copies())
        excess = sum(size for _, size, _ in copies) + size_bytes - self._max_bytes
        for used_at, size, path in copies:
            if excess <= 0 or used_at > time.time() - KEPT_S:
                return
            if self._is_dropped(path):
                excess -= size

    def _copies(self) -> Iterator[tuple[float, int, Path]]:
        for path in self._directory.iterdir():
            if not path.name.startswith("."):
                with suppress(FileNotFoundError):
                    yield path.stat().st_mtime, size_of(path), path

    def _hold(self, path: Path) -> None:
        """Hold a shared lock on a copy; the system frees it when this process ends."""
        descriptor = os.open(path, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if not path.exists() or not os.path.samestat(os.fstat(descriptor), path.stat()):
            os.close(descriptor)  # dropped before it was locked
            raise FileNotFoundError(path)
        self._held[path] = descriptor

    def _is_dropped(self, path: Path) -> bool:
        """Drop a copy, unless a process holds it."""
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def _path(self, key: str) -> Path:
        return self._directory / quote(key, safe="")


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files in a directory."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(each.stat().st_size for each in files if each.is_file())


def _remove(path: Path) -> None:
    """Remove a file or a directory, at once as far as others see it."""
    with suppress(FileNotFoundError):
        gone = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=path.parent))
        path.replace(gone / "copy")
        shutil.rmtree(gone)
