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
from catvq.features.row_weights import Weights
from catvq.features.scores.feature_scores import feature_scores
from catvq.features.scores.row_lengths import RowLengths
from catvq.features.split import RowSplit, draw_sample
from catvq.recipe import choose_sample_size

CHUNK_ROWS = 4096  # at once: bounds memory
EPSILON = 1e-12


@dataclass(frozen=True)
class RunData:
    """What a run learns from.

    Attributes:
        features: float32 [N, C'], normalised, on the run's device.
        split: Which rows train, which choices may look at, and which no choice has seen.
        family_one_hot: float32 [D', F], on the same device.
        feature_of_column: int64 [C']; every feature is a column when not given.
        present: Which cells were not filled in, bool [N, C'], on the same device; None where none was.
        weights: How much each row counts, above 0 [N]; None where all count the same.
        leader: The feature that each follows into its category, int64 [D']; None where none follows another.
        is_channel: Which features are channels, bool [D']; none of them when not given.
        is_gap: Which columns tell of missing values, bool [C']; none of them when not given.
        lengths: Of the rows' series; None where there are none.
    """

    features: Tensor
    split: RowSplit
    family_one_hot: Tensor
    feature_of_column: NDArray[np.int64] | None = None
    present: Tensor | None = None
    weights: Weights | None = None
    leader: NDArray[np.int64] | None = None
    is_channel: NDArray[np.bool_] | None = None
    is_gap: NDArray[np.bool_] | None = None
    lengths: RowLengths | None = None

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
        return ColumnOwners(torch.from_numpy(self.feature_of_column), count, self.is_channel).to(self.device)

    @property
    def train_scores(self) -> NDArray[np.float32]:
        """Training rows, a sample of many, with a number for each feature, NaN where missing, [rows, D']."""
        rows = torch.from_numpy(draw_sample(self.split.train, self._most_rows)).to(self.device)
        observed = self.features[rows]
        if self.present is not None:
            observed = observed.masked_fill(~self.present[rows], torch.nan)
        owner, columns = self.owners.owner.cpu().numpy(), observed.cpu().numpy()
        if self.lengths is not None:
            self.lengths.take_out(columns, owner, rows.cpu().numpy())
        return feature_scores(columns, owner, self.is_channel, self.is_gap)

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

    @cached_property
    def held_out_rows(self) -> Tensor:
        """Indices of the validation rows, or of the training rows where there are none, int64.

        A sample of many, in random order.
        """
        rows = self.split.validation if self.has_validation else self.split.train
        return torch.from_numpy(draw_sample(rows, self._most_rows)).to(self.device)

    @property
    def held_out(self) -> Tensor:
        """The rows that choices may look at, float32 [rows, C']."""
        return self.features[self.held_out_rows]

    def cells(self, rows: Tensor, measure: Tensor | None = None) -> Tensor | None:
        """How much each cell of some rows counts in their error, so that it is one over what was there.

        Args:
            rows: int64, indices.
            measure: `mean_count` of the rows whose error they are part of; their own when not given.

        Returns:
            float32 [rows, C']: 0 where missing, elsewhere by the row's weight; 1 in the mean over features.
            None where all cells count the same.
        """
        if self.present is None and self.weights is None:
            return None
        of_rows = self._weights_of(rows).unsqueeze(1)
        counts = of_rows.expand(-1, self.features.shape[1])
        if self.present is not None:
            counts = self.present[rows] * of_rows
        return counts / (self.mean_count(rows) if measure is None else measure)

    def mean_count(self, rows: Tensor) -> Tensor:
        """How much a feature counts in the mean over some rows, int64, before it is made 1; above 0."""
        return (self._shares(rows) * self._weights_of(rows)).mean().clamp_min(EPSILON)

    def train_cells(self, places: Tensor) -> Tensor | None:
        """As `cells`, of training rows by their places among these, with one measure for all batches.

        Weights do not count here: training rows are drawn by them.
        """
        return None if self.present is None else self.present[self.train_rows[places]] / self._train_share

    @property
    def train_weights(self) -> Weights | None:
        """Weights of the training rows; None where all count the same."""
        return None if self.weights is None else self.weights[self.split.train]

    @property
    def _most_rows(self) -> int:
        return choose_sample_size(self.features.shape[1])

    @cached_property
    def _train_share(self) -> Tensor:
        return self._shares(self.train_rows).mean().clamp_min(EPSILON)

    def _weights_of(self, rows: Tensor) -> Tensor:
        if self.weights is None:
            return torch.ones(len(rows), device=self.device)
        return torch.from_numpy(self.weights[rows.cpu().numpy()]).float().to(self.device)

    def _shares(self, rows: Tensor) -> Tensor:
        """Share of the features that are there in each row; a feature is if one of its columns is."""
        if self.present is None:
            return torch.ones(len(rows), device=self.device)
        parts = [self.owners.total(self.present[part].float()) > 0 for part in torch.split(rows, CHUNK_ROWS)]
        return torch.cat([part.float().mean(dim=1) for part in parts])
