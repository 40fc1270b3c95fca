import errno

import pytest
import torch

from catvq.errors import CheckpointError, ConfigError, FreezeError, ShapeError
from worker.jobs.failures import MAX_TEXT, DivergedError, describe_failure
from worker.store import NotFound


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), "invalid_config"),
        (ShapeError("x"), "invalid_data"),
        (CheckpointError("x"), "invalid_checkpoint"),
        (FreezeError("x"), "not_trainable"),
        (DivergedError("x"), "diverged"),
        (NotFound("model", "x"), "model_not_found"),
        (MemoryError("x"), "out_of_memory"),
        (torch.OutOfMemoryError("x"), "out_of_memory"),
        (RuntimeError("x: std::bad_alloc"), "out_of_memory"),
        (OSError(errno.ENOMEM, "x"), "out_of_memory"),
        (OSError(errno.ENOSPC, "x"), "disk_full"),
        (OSError(errno.EACCES, "x"), "internal_error"),
        (RuntimeError("x"), "internal_error"),
    ],
)
def test_every_failure_has_a_code_and_says_what_happened(error, code):
    failure = describe_failure(error)
    assert failure.code == code
    assert "x" in failure.text


def test_an_unexpected_error_is_named_and_cut_to_a_readable_length():
    assert describe_failure(KeyError("feature")).text == "KeyError: 'feature'"
    assert describe_failure(ZeroDivisionError()).text == "ZeroDivisionError: ZeroDivisionError"
    assert len(describe_failure(RuntimeError("x" * 10_000)).text) == MAX_TEXT


def test_a_failed_allocation_of_host_memory_in_torch_is_out_of_memory():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 50, dtype=torch.uint8)
    failure = describe_failure(raised.value)
    assert failure.code == "out_of_memory"
    assert failure.text.startswith("The job needs more memory than is available: ")
