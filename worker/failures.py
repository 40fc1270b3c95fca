"""What a user is told when a job fails: a stable code and a sentence."""

import torch

from catvq.errors import CatvqError, CheckpointError, ConfigError, ShapeError
from worker.store import JobError, NotFound, is_disk_full

MAX_TEXT = 2000


class DivergedError(ArithmeticError):
    """The losses are no longer finite, so there is nothing left to learn from."""


def describe_failure(error: Exception) -> JobError:
    """Put an exception into words."""
    code = _code(error)
    text = str(error) or type(error).__name__
    if code == "internal_error":
        text = f"{type(error).__name__}: {text}"
    elif code == "out_of_memory":
        text = f"The job needs more memory than there is: {text}"
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
    if isinstance(error, NotFound):
        return error.code
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return "out_of_memory"
    if is_disk_full(error):
        return "disk_full"
    return "internal_error"
