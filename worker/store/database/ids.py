"""Identifiers: a prefix that tells the kind, and enough randomness never to meet again."""

import re
import secrets
from pathlib import Path

from worker.store.database.errors import Conflict

RANDOM_BYTES = 12
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}", re.ASCII)


def new_id(kind: str) -> str:
    """A fresh id such as `job_8c0f...`."""
    return f"{kind}_{secrets.token_hex(RANDOM_BYTES)}"


def path_of(directory: Path, name: str) -> Path:
    """Where the files of this id, or the file of this name, are: directly below the directory.

    Every path that is made of something in the database is made here: a row may come from a backup that
    somebody else has written, and say that it is somewhere else.

    Raises:
        Conflict: The name leads elsewhere.
    """
    if not _FILE_NAME.fullmatch(name):
        raise Conflict(
            f"The database names {name[:200]!r}, which is no id and no name of a file; it was left alone.",
            code="unsafe_id",
        )
    return directory / name
