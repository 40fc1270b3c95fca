"""Ids of jobs, models, datasets and keys, and the paths of their files."""

import re
import secrets
from pathlib import Path

from worker.store.database.errors import Conflict

RANDOM_BYTES = 12
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}", re.ASCII)


def new_id(kind: str) -> str:
    """A new random id such as `job_8c0f...`."""
    return f"{kind}_{secrets.token_hex(RANDOM_BYTES)}"


def path_of(directory: Path, name: str) -> Path:
    """The path of an id's directory or of a file, directly below `directory`.

    Every path that is built from a value in the database is built here: a row may come from a backup that
    another person wrote, and name a path outside of the directory.

    Raises:
        Conflict: The name is not a plain file name.
    """
    if not _FILE_NAME.fullmatch(name):
        raise Conflict(
            f"The database names {name[:200]!r}, which is no id and no name of a file; it was left alone.",
            code="unsafe_id",
        )
    return directory / name
