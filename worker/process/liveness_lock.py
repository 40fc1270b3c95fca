"""Locks that die with their holder, so that a killed training process is noticed at once.

A training process holds a file lock under a name of its own while it has a job. The system frees the lock
when the process ends, however it ends; whoever on the same machine can take it knows that the holder is dead.
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
    """Hold a fresh lock for this process, which works for that worker; gives the name it is held under."""
    directory.mkdir(parents=True, exist_ok=True)
    # The random part keeps a reused process id, common in containers, from looking like the dead one.
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
    """Tell whether the holder of a lock is known to be dead; if so, its file goes at the end of the block.

    Only holders on this machine since its last start can be judged; of others nothing is known.
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
    """Remove the files of processes that died before they had a job."""
    oldest = time.time() - ABANDONED_AFTER_S
    for path in directory.glob(f"*{SUFFIX}"):
        with path.open() as file:
            if path.stat().st_mtime < oldest and _take(file.fileno()):
                path.unlink(missing_ok=True)


def process_prefix(worker_name: str, worker_process_id: int) -> str:
    """What the names of all training processes of one worker begin with, from its start to its end."""
    return f"{worker_name}.{worker_process_id}."


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _machine() -> str:
    """Tells machines apart, and one machine before and after a restart; containers share their host's."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()
