"""The devices of this machine, found without loading torch."""

from pathlib import Path

NVIDIA_GPUS = Path("/proc/driver/nvidia/gpus")


def find_devices(gpus: Path = NVIDIA_GPUS) -> list[str]:
    """Return the devices by the names that a job may ask for."""
    count = len(list(gpus.iterdir())) if gpus.is_dir() else 0
    return ["cpu", *(f"cuda:{index}" for index in range(count))]
