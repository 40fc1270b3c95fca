"""Files that are either complete or absent, also after a crash: written aside, synced, renamed."""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

CHUNK_BYTES = 1 << 20


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


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
