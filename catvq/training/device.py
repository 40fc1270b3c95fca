"""Tells where a run computes, and puts there what it learns from.

Shapes: D' active features, F families.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from catvq.errors import ConfigError


def family_one_hot(family_of_feature: Tensor, num_families: int) -> Tensor:
    """Family of each feature, int64 [D'] -> float32 [D', F]."""
    return F.one_hot(family_of_feature, num_families).float()


def resolve_device(name: str) -> torch.device:
    """The device to compute on; "auto" takes a GPU where there is one.

    Raises:
        ConfigError: The device was asked for by name and is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {name!r} is not on this machine: it has {torch.cuda.device_count()} GPUs")
    return device
