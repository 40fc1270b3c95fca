"""How well a few bits per category can describe a table if it were Gaussian.

Each category describes its own features with the same number of bits as well as any code of so many bits can,
by reverse water-filling over their principal components; the decoder knows all descriptions and takes the
best linear estimate. So features belong together that tell of each other, and no two categories should tell
the same. Source: Cover and Thomas, Elements of Information Theory, 2006, sections 10.3.3 and 10.5.

Letters: D features, G categories, n features of a category, k components that a code tells of, K those of all
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
    """What the best code of a category's features tells, were they Gaussian.

    It is as if `loadings.T @ features` were seen through noise of variance 1: few numbers where bits are few.

    Attributes:
        members: Features of the category, int64 [n].
        loadings: [n, k]; times its own transpose it is the precision that the code adds.
    """

    members: Grouping
    loadings: Matrix

    @classmethod
    def of(cls, covariance: Matrix, members: Grouping, bits: float) -> Self:
        """The best code of so many bits for some of the features, whose covariance is [D, D].

        Each principal component gets the same distortion, the water level; those that vary less get no bits.
        """
        variances, components = np.linalg.eigh(covariance[np.ix_(members, members)])
        falling = np.log(variances[::-1])
        levels = np.exp((np.cumsum(falling) - 2 * bits * np.log(2)) / np.arange(1, len(falling) + 1))
        level = levels.max(
            initial=np.finfo(np.float64).tiny
        )  # a component that varies more than the level raises it, and no other is to join
        is_told = variances > level
        precisions = 1 / level - 1 / variances[is_told]
        return cls(members, np.asarray(components[:, is_told] * np.sqrt(precisions)))

    def seen_in(self, covariance: Matrix) -> Matrix:
        """Covariance of all features with what the code tells, before its noise, [D, k]."""
        return np.asarray(covariance[self.members].T @ self.loadings)


def told(covariance: Matrix, bits: float) -> Matrix:
    """What the best code of so many bits tells about Gaussian features: added precision, [n, n].

    Args:
        covariance: Positive definite, [n, n].
        bits: At least 0.
    """
    loadings = GaussianCode.of(covariance, np.arange(len(covariance)), bits).loadings
    return np.asarray(loadings @ loadings.T)


def gaussian_error(covariance: Matrix, grouping: Grouping, bits: float) -> float:
    """Mean squared error per feature when each category is described with so many bits.

    Args:
        covariance: Of the features, positive definite, [D, D].
        grouping: int64 [D].
        bits: Of each category and row.
    """
    members = [np.flatnonzero(grouping == category) for category in np.unique(grouping)]
    codes = [GaussianCode.of(covariance, own, bits) for own in members]
    seen = np.concatenate([code.seen_in(covariance) for code in codes], axis=1)
    explained = np.trace(np.linalg.solve(np.eye(seen.shape[1]) + gram(codes, seen), seen.T @ seen))
    return float(np.trace(covariance) - explained) / len(grouping)


def gram(codes: Sequence[GaussianCode], seen: Matrix) -> Matrix:
    """Products of what codes tell with columns that are known for all features, [D, K] -> [K, K]."""
    return np.concatenate([code.loadings.T @ seen[code.members] for code in codes])
