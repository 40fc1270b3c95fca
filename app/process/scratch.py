"""Per-process temporary directory; leftovers of dead processes are removed at start."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "api-"
LOCK = ".lock"


@contextmanager
def scratch_directory(spool_dir: Path) -> Iterator[Path]:
    """Make a directory for the length of a `with` block; remove those of dead processes first.

    The process holds a lock within the directory, which the system frees when the process ends.
    """
    with (spool_dir / LOCK).open("w") as outer:
        fcntl.flock(outer, fcntl.LOCK_EX)  # no other process sees a directory before its owner has locked it
        _remove_abandoned(spool_dir)
        directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=spool_dir))
        lock = (directory / LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    with lock:
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)  # a thread may still be at work in it


def _remove_abandoned(spool_dir: Path) -> None:
    for directory in spool_dir.glob(f"{PREFIX}*"):
        try:
            with (directory / LOCK).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # its process is alive
            continue
        shutil.rmtree(directory)
