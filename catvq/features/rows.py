"""The cleaned table of one run on its device, and which rows each part of the run may look at.

Shapes: N rows, D' active features, F families.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from catvq.features.table import RowSplit


@dataclass(frozen=True)
class RunData:
    """What a run learns from.

    Attributes:
        features: float32 [N, D'], normalised, on the run's device.
        split: Which rows train, which choices may look at, and which no choice has seen.
        family_one_hot: float32 [D', F], on the same device.
    """

    features: Tensor
    split: RowSplit
    family_one_hot: Tensor

    @property
    def device(self) -> torch.device:
        """Where everything is."""
        return self.features.device

    @property
    def train_rows(self) -> Tensor:
        """Indices of the training rows, int64."""
        return torch.from_numpy(self.split.train).to(self.device)

    @property
    def train(self) -> Tensor:
        """The training rows, float32 [rows, D']."""
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
