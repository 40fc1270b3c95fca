"""Writes files atomically: written elsewhere, synced, renamed, so that a crash leaves no partial file."""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

CHUNK_BYTES = 1 << 20
OTHERS = 0o077  # the permission bits of group and others


def sync_file(path: Path) -> None:
    """Flush a file's bytes, or a directory's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_file_into_place(source: Path, target: Path) -> None:
    """Move a finished file to its path, atomically; both must be on one file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    sync_file(source)
    source.replace(target)
    sync_file(target.parent)


def move_directory_into_place(source: Path, target: Path) -> None:
    """Move a finished directory to its path, after removing a leftover of the same name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in source.rglob("*"):
        sync_file(path)
    sync_file(source)
    remove_directory(target)
    source.rename(target)
    sync_file(target.parent)


def remove_directory(path: Path) -> None:
    """Remove a directory and its contents, if it exists; other processes may do the same."""
    with suppress(FileNotFoundError):
        shutil.rmtree(path)


def keep_private() -> None:
    """Set the umask so that only this user can read files that this process and its children create."""
    os.umask(OTHERS)


def is_private(directory: Path) -> bool:
    """Whether only its owner has access to a directory, and so to everything below it."""
    return not directory.stat().st_mode & OTHERS


def make_private(directory: Path) -> None:
    """Restrict a directory tree to its owner; its root last, so that an interrupted run is repeated.

    Raises:
        PermissionError: A file belongs to another user.
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
