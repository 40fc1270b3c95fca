"""Goes from features to the columns that are computed with, and back, on tensors.

Shapes: D features, C columns.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ColumnOwners:
    """Which feature each column belongs to.

    A number owns one, a categorical feature one for each value, a channel one for each descriptor.

    Attributes:
        owner: int64 [C], ascending from 0 to D - 1.
        num_features: D.
        is_channel: Which features are channels, bool [D]; none of them when not given.
    """

    owner: Tensor
    num_features: int
    is_channel: NDArray[np.bool_] | None = None

    @classmethod
    def each_its_own(cls, num_features: int) -> "ColumnOwners":
        """Every feature is a column."""
        return cls(torch.arange(num_features), num_features)

    def to(self, device: torch.device) -> "ColumnOwners":
        """The same on a device."""
        return ColumnOwners(self.owner.to(device), self.num_features, self.is_channel)

    @property
    def num_columns(self) -> int:
        """C."""
        return len(self.owner)

    @property
    def is_plain(self) -> bool:
        """Whether every feature is a column."""
        return self.num_columns == self.num_features

    @property
    def per_feature(self) -> float:
        """C / D: turns a mean over columns into one over features."""
        return self.num_columns / self.num_features

    def spread(self, of_features: Tensor) -> Tensor:
        """What columns have of their features, [D, ...] -> [C, ...]."""
        return of_features if self.is_plain else of_features[self.owner]

    def share(self, assignment: Tensor) -> Tensor:
        """As `spread`, float32 [..., D, G] -> [..., C, G], with a gradient that is the same in every run."""
        return assignment if self.is_plain else self._one_hot @ assignment

    def total(self, of_columns: Tensor) -> Tensor:
        """Sums over the columns of each feature, float32 [..., C] -> [..., D]."""
        return of_columns if self.is_plain else of_columns @ self._one_hot

    @cached_property
    def _one_hot(self) -> Tensor:
        return F.one_hot(self.owner, self.num_features).float()
