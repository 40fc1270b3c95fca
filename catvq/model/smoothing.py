"""Draws rows from around the training rows, so that codes describe more than the rows that placed them.

A code of a few training rows fits those and not others: 96 codes for each of three categories describe 126
rows of a table nearly exactly and new rows ten times worse. A row is therefore moved by the difference of two
others of its region: the cloud that so arises has the table's local shape and no end of rows. Source of the
idea: the smoothed bootstrap, Silverman 1986, Density Estimation, section 6.4.

Shapes: N training rows, B rows of a batch, D features.
"""

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

REGIONS = 8  # fewer know less of the shape, more have too few rows: 6 to 12 do about as well
MAX_ROWS = 20_000  # that regions are looked for in
SPREADS = (0.0, 0.4, 0.8)  # that are tried; 1 doubles the variance of a region


class Smoother:
    """Moves rows within their regions.

    Args:
        features: float32 [rows, D], of the whole table.
        train: int64 [N], which of them train.
        seed: Of the regions.
    """

    def __init__(self, features: Tensor, train: Tensor, *, seed: int) -> None:
        self._features = features
        self._train = train
        region = torch.from_numpy(_regions(features[train].cpu().numpy(), seed)).to(features.device)
        self._region = region
        self._members = region.argsort(stable=True)
        self._count = torch.bincount(region)
        self._first = self._count.cumsum(0) - self._count

    @property
    def num_rows(self) -> int:
        """N."""
        return len(self._train)

    @property
    def device(self) -> torch.device:
        """Where everything is."""
        return self._features.device

    def draw(self, rows: Tensor, spread: float) -> Tensor:
        """Rows from around the given ones: int64 [B] -> float32 [B, D]. Uses torch's global generator.

        Args:
            rows: Places among the training rows.
            spread: How far they are moved; at 0 they are the rows themselves.
        """
        moved = self._features[self._train[rows]]
        if spread:
            moved += spread * 0.5**0.5 * (self._another(rows) - self._another(rows))
        return moved

    def _another(self, rows: Tensor) -> Tensor:
        """A random training row of each row's region, float32 [B, D]."""
        region = self._region[rows]
        place = (torch.rand(len(rows), device=rows.device) * self._count[region]).long()
        return self._features[self._train[self._members[self._first[region] + place]]]


def _regions(features: NDArray[np.float32], seed: int) -> NDArray[np.int64]:
    """The region of each row, int64 [N]."""
    some = np.random.default_rng(seed).permutation(len(features))[:MAX_ROWS]
    with warnings.catch_warnings(category=ConvergenceWarning, action="ignore"):  # too few distinct rows
        means = KMeans(min(REGIONS, len(some)), n_init=1, random_state=seed).fit(features[some])
    regions: NDArray[np.int64] = means.predict(features).astype(np.int64)
    return regions
