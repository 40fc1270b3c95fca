"""What the store refuses, each refusal with a stable code."""

import errno
import sqlite3

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# SQLite grows its shared memory's file by a way of its own.
_SQLITE_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_POSTGRESQL_NO_ROOM = "53100"


class StoreError(Exception):
    """Base of everything the store raises on purpose.

    Args:
        message: A sentence for the user.
        code: Stable, for programs.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class NotFound(StoreError):  # noqa: N818 - reads as the answer it becomes
    """There is no such dataset, job, model, alias or key."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"There is no {kind} {key!r}.", code=f"{kind}_not_found")
        self.kind = kind
        self.key = key


class Conflict(StoreError):  # noqa: N818 - reads as the answer it becomes
    """The thing is not in a state that allows this."""


class PreconditionFailed(StoreError):  # noqa: N818 - reads as the answer it becomes
    """The thing is not in the version the caller expected."""


class InvalidCursor(StoreError):  # noqa: N818 - reads as the answer it becomes
    """A page was asked for with a cursor that no list gave out."""


class QueueFull(StoreError):  # noqa: N818 - reads as the answer it becomes
    """As many jobs are waiting as the service takes."""


class TooManyJobs(StoreError):  # noqa: N818 - reads as the answer it becomes
    """As many jobs of one key are unfinished as it may have."""


class QuotaExceeded(StoreError):  # noqa: N818 - reads as the answer it becomes
    """As many bytes are stored as may be."""


class StoreUnavailable(StoreError):  # noqa: N818 - reads as the answer it becomes
    """The database does not answer now; trying again may help."""


class DiskFull(StoreUnavailable):
    """There is no room for what was to be written; deleting something helps."""


class WrongFormat(StoreError):  # noqa: N818 - reads as the answer it becomes
    """The store, or a backup, was written in a format that this version does not read."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="wrong_format")


class LeaseLost(StoreError):  # noqa: N818 - an order to stop, not a defect
    """The job is no longer this worker's, which therefore may write nothing more."""


class CancelRequested(StoreError):  # noqa: N818 - an order to stop, not a defect
    """The user cancelled the job before its result was published."""


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error of the system, of a database's driver or of the store comes from a full disk."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) in _SQLITE_NO_ROOM
    return isinstance(error, DiskFull) or getattr(error, "sqlstate", None) == _POSTGRESQL_NO_ROOM
