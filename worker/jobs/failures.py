"""Maps an exception to the error that a failed job shows: a stable code and a sentence."""

import errno
import re

import torch

from catvq.errors import CatvqError, CheckpointError, ConfigError, ShapeError
from worker.process.memory import OUT_OF_MEMORY
from worker.store import JobError, NotFound, QuotaExceeded, is_disk_full

# Messages of torch when host memory is exhausted; it raises a plain RuntimeError.
NO_MEMORY = re.compile(r"DefaultCPUAllocator: |std::bad_alloc")
MAX_TEXT = 2000


class DivergedError(ArithmeticError):
    """A loss is no longer finite, so training cannot continue."""


class PieceFailedError(Exception):
    """A part of the job failed, in this process or in another worker's."""

    def __init__(self, error: JobError) -> None:
        super().__init__(error.text)
        self.error = error


def describe_failure(error: Exception) -> JobError:
    """Return the code and text that describe an exception."""
    if isinstance(error, PieceFailedError):
        return error.error
    code = _code(error)
    text = str(error) or type(error).__name__
    if code == "internal_error":
        text = f"{type(error).__name__}: {text}"
    elif code == OUT_OF_MEMORY:
        text = f"The job needs more memory than is available: {text}"
    return JobError(code=code, text=text[:MAX_TEXT])


def _code(error: Exception) -> str:  # noqa: PLR0911 - one line for each kind
    if isinstance(error, ConfigError):
        return "invalid_config"
    if isinstance(error, ShapeError):
        return "invalid_data"
    if isinstance(error, CheckpointError):
        return "invalid_checkpoint"
    if isinstance(error, CatvqError):
        return "not_trainable"
    if isinstance(error, DivergedError):
        return "diverged"
    if isinstance(error, NotFound | QuotaExceeded):
        return error.code
    if _is_lack_of_memory(error):
        return OUT_OF_MEMORY
    if is_disk_full(error):
        return "disk_full"
    return "internal_error"


def _is_lack_of_memory(error: Exception) -> bool:
    if isinstance(error, RuntimeError) and NO_MEMORY.search(str(error)):
        return True
    is_refused = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return is_refused or isinstance(error, MemoryError | torch.OutOfMemoryError)
