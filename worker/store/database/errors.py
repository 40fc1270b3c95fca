"""The errors of the store, each with a stable code."""

import errno
import sqlite3

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Raised when SQLite cannot grow its shared-memory file.
_SQLITE_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_POSTGRESQL_NO_ROOM = "53100"


class StoreError(Exception):
    """Base class of the store's errors.

    Args:
        message: A sentence for the user.
        code: A stable identifier for programs.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class NotFound(StoreError):  # noqa: N818 - named after the HTTP problem it becomes
    """No such dataset, job, model, alias or key."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"There is no {kind} {key!r}.", code=f"{kind}_not_found")
        self.kind = kind
        self.key = key


class Conflict(StoreError):  # noqa: N818 - named after the HTTP problem it becomes
    """The current state of a job, model or other object does not allow the action."""


class PreconditionFailed(StoreError):  # noqa: N818 - named after the HTTP problem it becomes
    """The object is not in the version that the caller expected."""


class InvalidCursor(StoreError):  # noqa: N818 - named after the HTTP problem it becomes
    """A page was requested with an invalid cursor."""


class QueueFull(StoreError):  # noqa: N818 - named after the HTTP problem it becomes
    """The queue holds the maximal number of jobs."""


class TooManyJobs(StoreError):  # noqa: N818 - named after the HTTP problem it becomes
    """An API key has the maximal number of unfinished jobs."""


class QuotaExceeded(StoreError):  # noqa: N818 - named after the HTTP problem it becomes
    """A dataset would exceed the bytes that may be stored."""


class StoreUnavailable(StoreError):  # noqa: N818 - named after the HTTP problem it becomes
    """The database does not answer; a retry may succeed."""


class StorageUnavailable(StoreUnavailable):
    """The object storage does not answer, or refuses what is asked; a retry may succeed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="storage_unavailable")


class DiskFull(StoreUnavailable):
    """The disk is full; a write may succeed after something was deleted."""


class WrongFormat(StoreError):  # noqa: N818 - named after the HTTP problem it becomes
    """The store, or a backup, was written in a format that this version does not read."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="wrong_format")


class LeaseLost(StoreError):  # noqa: N818 - an order to stop, not a defect
    """Another worker has the job, so this one may write nothing more."""


class CancelRequested(StoreError):  # noqa: N818 - an order to stop, not a defect
    """The user cancelled the job before its result was published."""


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error of the system, the database driver or the store means that the disk is full."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) in _SQLITE_NO_ROOM
    return isinstance(error, DiskFull) or getattr(error, "sqlstate", None) == _POSTGRESQL_NO_ROOM
