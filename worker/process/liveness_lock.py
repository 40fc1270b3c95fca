"""File locks that show at once whether a job process of this machine is still alive.

A job process holds a lock under its own name. The system frees the lock however the process ends, so a
process of the same machine that can take the lock knows that the holder is dead.
"""

import fcntl
import os
import platform
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".lock"
ABANDONED_AFTER_S = 60.0  # a younger file may belong to a process that is about to lock it


@contextmanager
def held_lock(directory: Path, worker_name: str, worker_process_id: int) -> Iterator[str]:
    """Hold a new lock for this job process; yields the lock's name."""
    directory.mkdir(parents=True, exist_ok=True)
    # The random part distinguishes processes with a reused process id, common in containers.
    name = f"{process_prefix(worker_name, worker_process_id)}{os.getpid()}.{secrets.token_hex(4)}"
    path = directory / f"{name}{SUFFIX}"
    with path.open("x") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(_machine())
        file.flush()
        try:
            yield name
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def dead_holder(directory: Path, name: str) -> Iterator[bool]:
    """Yield whether the holder of a lock is known to be dead; if so, its file is removed after the block.

    Only holders on this machine since its last boot can be judged; for others it is False.
    """
    path = directory / f"{name}{SUFFIX}"
    try:
        file = path.open()
    except FileNotFoundError:
        yield False
        return
    with file:
        if file.read() != _machine() or not _take(file.fileno()):
            yield False
            return
        yield True
        path.unlink(missing_ok=True)


def remove_abandoned(directory: Path) -> None:
    """Remove the lock files of processes that died without a job."""
    oldest = time.time() - ABANDONED_AFTER_S
    for path in directory.glob(f"*{SUFFIX}"):
        with path.open() as file:
            if path.stat().st_mtime < oldest and _take(file.fileno()):
                path.unlink(missing_ok=True)


def process_prefix(worker_name: str, worker_process_id: int) -> str:
    """The prefix of the lock names of all job processes of one worker process."""
    return f"{worker_name}.{worker_process_id}."


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _machine() -> str:
    """An id of this machine's boot; containers share their host's."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()
