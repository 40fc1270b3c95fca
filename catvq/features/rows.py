"""The cleaned table of one run on its device, and which rows each part of the run may look at.

Shapes: N rows, D' active features, C' their columns, F families.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catvq.features.owners import ColumnOwners
from catvq.features.scores import feature_scores
from catvq.features.table import RowSplit


@dataclass(frozen=True)
class RunData:
    """What a run learns from.

    Attributes:
        features: float32 [N, C'], normalised, on the run's device.
        split: Which rows train, which choices may look at, and which no choice has seen.
        family_one_hot: float32 [D', F], on the same device.
        feature_of_column: int64 [C']; every feature is a column when not given.
    """

    features: Tensor
    split: RowSplit
    family_one_hot: Tensor
    feature_of_column: NDArray[np.int64] | None = None

    @property
    def device(self) -> torch.device:
        """Where everything is."""
        return self.features.device

    @cached_property
    def owners(self) -> ColumnOwners:
        """Which feature each column belongs to, on the device."""
        count = len(self.family_one_hot)
        if self.feature_of_column is None:
            return ColumnOwners.each_its_own(count).to(self.device)
        return ColumnOwners(torch.from_numpy(self.feature_of_column), count).to(self.device)

    @property
    def train_scores(self) -> NDArray[np.float32]:
        """The training rows with one number for each feature, [rows, D'], see `feature_scores`."""
        return feature_scores(self.train.cpu().numpy(), self.owners.owner.cpu().numpy())

    @property
    def train_rows(self) -> Tensor:
        """Indices of the training rows, int64."""
        return torch.from_numpy(self.split.train).to(self.device)

    @property
    def train(self) -> Tensor:
        """The training rows, float32 [rows, C']."""
        return self.features[self.train_rows]

    @property
    def has_validation(self) -> bool:
        """Whether rows were kept for validation."""
        return len(self.split.validation) > 0

    @property
    def held_out(self) -> Tensor:
        """Rows that choices may look at: the validation rows, or the training rows where there are none."""
        rows = self.split.validation if self.has_validation else self.split.train
        return self.features[torch.from_numpy(rows).to(self.device)]
