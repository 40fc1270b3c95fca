"""Expected error of a grouping for a given number of bits per category, assuming a Gaussian table.

Each category has an optimal code of its own features: reverse water-filling over their principal components.
The decoder makes the best linear estimate from the codes of all categories. The error is low if features
within a category are dependent, and different categories carry different information. Source: Cover and
Thomas, Elements of Information Theory, 2006, sections 10.3.3 and 10.5.

Letters: D features, G categories, n features of a category, k components of a code, K components of all
codes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from catvq.grouping.baselines import Grouping

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class GaussianCode:
    """Optimal code of a category's features, assuming that they are Gaussian.

    It is equivalent to observing `loadings.T @ features` with noise of variance 1.

    Attributes:
        members: Features of the category, int64 [n].
        loadings: [n, k]; times its own transpose it is the precision that the code adds.
    """

    members: Grouping
    loadings: Matrix

    @classmethod
    def of(cls, covariance: Matrix, members: Grouping, bits: float) -> Self:
        """Compute the optimal code of `bits` bits for some of the features, whose covariance is [D, D].

        Each coded principal component has the same distortion, the water level; components with a smaller
        variance get no bits.
        """
        variances, components = np.linalg.eigh(covariance[np.ix_(members, members)])
        falling = np.log(variances[::-1])
        levels = np.exp((np.cumsum(falling) - 2 * bits * np.log(2)) / np.arange(1, len(falling) + 1))
        level = levels.max(
            initial=np.finfo(np.float64).tiny
        )  # including a component raises the level exactly if its variance is above it
        is_coded = variances > level
        precisions = 1 / level - 1 / variances[is_coded]
        return cls(members, np.asarray(components[:, is_coded] * np.sqrt(precisions)))

    def cross_covariance(self, covariance: Matrix) -> Matrix:
        """Covariance of all features with the code's components, [D, k]."""
        return np.asarray(covariance[self.members].T @ self.loadings)


def gaussian_error(covariance: Matrix, grouping: Grouping, bits: float) -> float:
    """Mean squared error per feature if each category is coded with `bits` bits.

    Args:
        covariance: Covariance of the features, positive definite, [D, D].
        grouping: int64 [D].
        bits: Bits of each category and row.
    """
    members = [np.flatnonzero(grouping == category) for category in np.unique(grouping)]
    codes = [GaussianCode.of(covariance, own, bits) for own in members]
    seen = np.concatenate([code.cross_covariance(covariance) for code in codes], axis=1)
    explained = np.trace(np.linalg.solve(np.eye(seen.shape[1]) + gram(codes, seen), seen.T @ seen))
    return float(np.trace(covariance) - explained) / len(grouping)


def gram(codes: Sequence[GaussianCode], seen: Matrix) -> Matrix:
    """Products of the codes' loadings with columns for all features, [D, K] -> [K, K]."""
    return np.concatenate([code.loadings.T @ seen[code.members] for code in codes])
