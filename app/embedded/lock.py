"""File lock: at most one embedded service uses a data directory."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# After a kill, the last process of a service may live for a moment.
PATIENCE_S = 3.0
RETRY_INTERVAL_S = 0.1


class DirectoryInUseError(RuntimeError):
    """Another embedded service runs on this data directory."""


class DirectoryUnusableError(RuntimeError):
    """The data directory cannot be created or written to."""


@contextmanager
def locked(directory: Path) -> Iterator[int]:
    """Hold the lock of `directory` for the length of a `with` block, which receives its file descriptor.

    A process that inherits the descriptor also holds the lock, as long as it lives.

    Raises:
        DirectoryInUseError: Another process holds the lock.
        DirectoryUnusableError: The directory cannot be created or written to.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DirectoryUnusableError(
            f"the data directory {directory} cannot be used: {error.strerror}"
        ) from None
    try:
        _acquire(descriptor, directory)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, directory: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 20, 0).decode()
                raise DirectoryInUseError(
                    f"{directory} is in use by another catvq (process {holder}): "
                    "stop it, or choose another data directory"
                ) from None
            time.sleep(RETRY_INTERVAL_S)
        else:
            return
