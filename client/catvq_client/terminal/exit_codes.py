"""Exit statuses of the command, by the kind of error, for scripts."""

from enum import IntEnum

from catvq_client.errors import ApiError, CatvqError, NotReachableError


class ExitCode(IntEnum):
    """How a command ended; docs/reference/command-line.md lists them."""

    FAILED = 1
    USAGE = 2
    NOT_REACHABLE = 3
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    WRONG_STATE = 6
    INVALID = 7
    BUSY = 8
    JOB_FAILED = 9
    SERVICE_ERROR = 10
    INTERRUPTED = 130


BY_STATUS = {
    400: ExitCode.INVALID,
    401: ExitCode.NOT_ALLOWED,
    403: ExitCode.NOT_ALLOWED,
    404: ExitCode.NOT_FOUND,
    406: ExitCode.INVALID,
    409: ExitCode.WRONG_STATE,
    410: ExitCode.NOT_FOUND,
    412: ExitCode.WRONG_STATE,
    413: ExitCode.INVALID,
    415: ExitCode.INVALID,
    422: ExitCode.INVALID,
    428: ExitCode.WRONG_STATE,
    429: ExitCode.BUSY,
    503: ExitCode.BUSY,
    507: ExitCode.BUSY,
}


def exit_code_of(error: CatvqError | OSError) -> ExitCode:
    """Return the exit status that tells the kind of an error."""
    if isinstance(error, NotReachableError):
        return ExitCode.NOT_REACHABLE
    if not isinstance(error, ApiError):
        return ExitCode.FAILED
    unlisted = ExitCode.SERVICE_ERROR if error.status >= 500 else ExitCode.FAILED
    return BY_STATUS.get(error.status, unlisted)
