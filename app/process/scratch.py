"""A directory of the process's own for what is half done; a killed process's goes at the next start."""

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
    """Make a directory for as long as the block runs, after removing those of processes that are gone.

    The system frees the lock within it when the process ends, however it ends.
    """
    with (spool_dir / LOCK).open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # nobody sees a directory before its owner has locked it
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
        except BlockingIOError:  # its process is there
            continue
        shutil.rmtree(directory)
