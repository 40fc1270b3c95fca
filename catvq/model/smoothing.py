"""Smoothed bootstrap: draws rows around the training rows, so that codes overfit less.

Codes placed by few training rows fit only those: 96 codes for each of three categories describe 126 rows of a
table nearly exactly, and new rows ten times worse. A drawn row is a training row plus the scaled difference
of two others of its region, so the draws have the table's local covariance. Source of the idea: Silverman
1986, Density Estimation, section 6.4.

Shapes: N training rows, B rows of a batch, D features.
"""

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from catvq.features.row_weights import Weights
from catvq.recipe import choose_sample_size

REGIONS = 8  # fewer capture less of the local shape, more have too few rows; 6 to 12 are about as good
MAX_ROWS = 20_000  # at most, for finding the regions
CHUNK_ROWS = 2**14  # whose regions are told at once
SPREADS = (0.0, 0.4, 0.8)  # values that are tried for the start; 1 doubles the variance of a region
TRAINING_SPREAD = 0.4  # at least: unmoved rows are learnt by heart even where the start is best from them


class Smoother:
    """Draws rows around the training rows, within regions found by k-means.

    Args:
        features: float32 [rows, D], of the whole table.
        train: int64 [N], indices of the training rows.
        seed: Seed of the regions.
        weights: How much each training row counts, [N]; None where all count the same.
    """

    def __init__(self, features: Tensor, train: Tensor, *, seed: int, weights: Weights | None = None) -> None:
        self.weights = weights
        self._features = features
        self._train = train
        order = np.random.default_rng(seed).permutation(len(train))
        pool = torch.from_numpy(np.sort(order[: choose_sample_size(features.shape[1])])).to(features.device)
        self._region = _regions(features, train, order, seed)
        self._pool = features[train[pool]]
        region = self._region[pool]
        self._members = region.argsort(stable=True)
        self._count = torch.bincount(region, minlength=REGIONS)
        self._first = self._count.cumsum(0) - self._count

    @property
    def num_rows(self) -> int:
        """Number of training rows, N."""
        return len(self._train)

    @property
    def device(self) -> torch.device:
        """Device of the features."""
        return self._features.device

    def draw(self, rows: Tensor, spread: float) -> Tensor:
        """Draw rows around the given ones: int64 [B] -> float32 [B, D]. Uses torch's global generator.

        Args:
            rows: Positions among the training rows.
            spread: Scale of the displacement; 0 returns the rows themselves.
        """
        moved = self._features[self._train[rows]]
        if spread:
            moved += spread * 0.5**0.5 * (self._another(rows) - self._another(rows))
        return moved

    def _another(self, rows: Tensor) -> Tensor:
        """Return a random training row of each row's region, of a sample of many, float32 [B, D]."""
        region = self._region[rows]
        place = (torch.rand(len(rows), device=rows.device) * self._count[region]).long()
        return self._pool[self._members[self._first[region] + place]]


def _regions(features: Tensor, train: Tensor, order: NDArray[np.int64], seed: int) -> Tensor:
    """Return the region of each training row, int64 [N].

    Args:
        features: As above.
        train: As above.
        order: A permutation of the training rows; the first ones find the regions.
        seed: Of the means that they start from.
    """
    some = order[: min(MAX_ROWS, choose_sample_size(features.shape[1]))]
    with warnings.catch_warnings(category=ConvergenceWarning, action="ignore"):  # too few distinct rows
        means = KMeans(min(REGIONS, len(some)), n_init=1, random_state=seed)
        means.fit(features[train[torch.from_numpy(some).to(train.device)]].cpu().numpy())
    regions = [means.predict(features[chunk].cpu().numpy()) for chunk in torch.split(train, CHUNK_ROWS)]
    return torch.from_numpy(np.concatenate(regions).astype(np.int64)).to(features.device)
