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

CHUNK_ROWS = 4096  # at once: bounds memory


@dataclass(frozen=True)
class RunData:
    """What a run learns from.

    Attributes:
        features: float32 [N, C'], normalised, on the run's device.
        split: Which rows train, which choices may look at, and which no choice has seen.
        family_one_hot: float32 [D', F], on the same device.
        feature_of_column: int64 [C']; every feature is a column when not given.
        present: Which cells were not filled in, bool [N, C'], on the same device; None where none was.
    """

    features: Tensor
    split: RowSplit
    family_one_hot: Tensor
    feature_of_column: NDArray[np.int64] | None = None
    present: Tensor | None = None

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
        """The training rows with one number for each feature, NaN where missing, [rows, D']."""
        observed = self.train
        if self.present is not None:
            observed = observed.masked_fill(~self.present[self.train_rows], torch.nan)
        return feature_scores(observed.cpu().numpy(), self.owners.owner.cpu().numpy())

    @cached_property
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
    def held_out_rows(self) -> Tensor:
        """Indices of the validation rows, or of the training rows where there are none, int64."""
        rows = self.split.validation if self.has_validation else self.split.train
        return torch.from_numpy(rows).to(self.device)

    @property
    def held_out(self) -> Tensor:
        """The rows that choices may look at, float32 [rows, C']."""
        return self.features[self.held_out_rows]

    def cells(self, rows: Tensor, measure: Tensor | None = None) -> Tensor | None:
        """How much each cell of some rows counts in their error, so that it is one over what was there.

        Args:
            rows: int64, indices.
            measure: Rows whose mean error that of a feature is to be; those themselves when not given.

        Returns:
            float32 [rows, C']: 0 where missing, and so much elsewhere that the mean over features is 1. None
            where nothing is missing.
        """
        if self.present is None:
            return None
        return self.present[rows].float() / self._share(rows if measure is None else measure)

    def train_cells(self, places: Tensor) -> Tensor | None:
        """As `cells`, of training rows by their places among these, with one measure for all batches."""
        return None if self.present is None else self.present[self.train_rows[places]] / self._train_share

    @cached_property
    def _train_share(self) -> Tensor:
        return self._share(self.train_rows)

    def _share(self, rows: Tensor) -> Tensor:
        """Share of the features that are there, a scalar above 0; a feature is if one of its columns is."""
        if self.present is None:
            return torch.ones((), device=self.device)
        parts = [self.owners.total(self.present[part].float()) > 0 for part in torch.split(rows, CHUNK_ROWS)]
        return torch.stack([part.sum() for part in parts]).sum().clamp_min(1) / sum(map(torch.numel, parts))
