"""Ids of jobs, models, datasets and keys, and the keys of their files."""

import re
import secrets

from worker.store.database.errors import Conflict

RANDOM_BYTES = 12
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}", re.ASCII)


def new_id(kind: str) -> str:
    """A new random id such as `job_8c0f...`."""
    return f"{kind}_{secrets.token_hex(RANDOM_BYTES)}"


def key_of(*names: str) -> str:
    """The key of files, such as `datasets/ds_1/values.npy`, which is also their path below a directory.

    Every path that is built from a value in the database is built here: a row may come from a backup that
    another person wrote, and name a path outside of the directory.

    Raises:
        Conflict: A name is not a plain file name.
    """
    for name in names:
        if not _FILE_NAME.fullmatch(name):
            raise Conflict(
                f"The database names {name[:200]!r}, which is no id and no name of a file; "
                "it was left alone.",
                code="unsafe_id",
            )
    return "/".join(names)
