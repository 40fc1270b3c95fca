"""What the store refuses, each refusal with a stable code."""


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


class LeaseLost(StoreError):  # noqa: N818 - an order to stop, not a defect
    """The job is no longer this worker's, which therefore may write nothing more."""


class CancelRequested(StoreError):  # noqa: N818 - an order to stop, not a defect
    """The user cancelled the job before its result was published."""
