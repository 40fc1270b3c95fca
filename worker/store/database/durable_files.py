"""Files that are either complete or absent, also after a crash: written aside, synced, renamed."""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

CHUNK_BYTES = 1 << 20
OTHERS = 0o077  # what the group and all others may do


def sync_file(path: Path) -> None:
    """Force a file's bytes (or a directory's entries) to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_file_into_place(source: Path, target: Path) -> None:
    """Make a finished file appear at its place, on the same file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    sync_file(source)
    source.replace(target)
    sync_file(target.parent)


def move_directory_into_place(source: Path, target: Path) -> None:
    """Make a finished directory appear at its place, replacing a leftover of the same name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in source.rglob("*"):
        sync_file(path)
    sync_file(source)
    remove_directory(target)
    source.rename(target)
    sync_file(target.parent)


def remove_directory(path: Path) -> None:
    """Remove a directory with what is in it, if it is there; others may be doing the same."""
    with suppress(FileNotFoundError):
        shutil.rmtree(path)


def keep_private() -> None:
    """Let nobody but this user read what this process, and those that it starts, write from now on."""
    os.umask(OTHERS)


def is_private(directory: Path) -> bool:
    """Whether nobody but its owner can look into a directory, and so at anything below it."""
    return not directory.stat().st_mode & OTHERS


def make_private(directory: Path) -> None:
    """Let nobody but its owner read a directory and what is below it; it comes last, so that a stop shows.

    Raises:
        PermissionError: Something there is somebody else's.
    """
    for parent, _, names in os.walk(directory, topdown=False):
        for name in names:
            path = Path(parent, name)
            with suppress(FileNotFoundError):  # removed meanwhile
                if not path.is_symlink():
                    path.chmod(0o600)
        with suppress(FileNotFoundError):
            Path(parent).chmod(0o700)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
