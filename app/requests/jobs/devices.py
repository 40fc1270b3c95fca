"""Which devices a job computes on, and whether a worker has them."""

from collections.abc import Iterator, Sequence

from app.requests.jobs.validation import FieldError
from catvq.config import TrainingSettings


def choose_device(training: TrainingSettings, devices: Sequence[str]) -> str:
    """The device of a job, or their kind; `devices` are those of all workers, such as "cpu" and "cuda:0"."""
    if training.device != "auto":
        return training.device
    return "cuda" if _count_gpus(devices) else "cpu"


def count_devices(training: TrainingSettings, devices: Sequence[str]) -> int:
    """How many devices divide each step of a job."""
    if training.devices != "all":
        return training.devices
    return max(1, _count_gpus(devices)) if choose_device(training, devices) == "cuda" else 1


def find_missing_devices(training: TrainingSettings, devices: Sequence[str]) -> Iterator[FieldError]:
    """Yield that no worker has the device, or so many; nothing where there are no workers yet."""
    wanted, number, listed = training.device, count_devices(training, devices), ", ".join(devices)
    if devices and wanted != "auto" and not any(d == wanted or d.startswith(f"{wanted}:") for d in devices):
        yield FieldError("training.device", f"no worker has {wanted!r}; there are {listed}")
    elif devices and choose_device(training, devices) == "cuda" and number > _count_gpus(devices):
        yield FieldError("training.devices", f"no worker has {number} GPUs; there are {listed}")


def _count_gpus(devices: Sequence[str]) -> int:
    """How many GPUs the worker has that has most: each worker numbers its own from 0."""
    return sum(device.startswith("cuda") for device in devices)
