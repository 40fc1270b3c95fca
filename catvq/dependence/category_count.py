"""Estimates the number of categories in an affinity matrix: the median of three estimates.

Letters: D features, G categories.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from catvq.dependence.spectral import SpectralEmbedding

MAX_CATEGORIES = 100  # more categories are hard to interpret
# Eigenvalues of the Laplacian and similarities below these count as zero: their ratios are noise.
LEAST_LAPLACIAN = 0.2
LEAST_SIMILARITY = 0.01
# One category without inner structure reaches 0.15; Newman calls 0.3 to 0.7 structure.
LEAST_MODULARITY = 0.2
PATIENCE = 12  # larger numbers of categories that are tried after the best modularity


@dataclass(frozen=True)
class CategoryCount:
    """Three estimates of the number of categories; their median is right more often than each."""

    by_spectrum: int
    by_modularity: int
    by_linkage: int

    @property
    def number(self) -> int:
        """The median of the three."""
        return sorted((self.by_spectrum, self.by_modularity, self.by_linkage))[1]


def count_categories(affinity: NDArray[np.float64]) -> CategoryCount:
    """Estimate the number of categories in three ways; each estimate may be 1.

    Args:
        affinity: [D, D], symmetric, from 0 to 1, diagonal 0, D at least 2.
    """
    embedding = SpectralEmbedding.of(affinity)
    return CategoryCount(
        by_spectrum=_by_spectrum(embedding),
        by_modularity=_by_modularity(affinity, embedding),
        by_linkage=_by_linkage(affinity),
    )


def modularity(affinity: NDArray[np.float64], grouping: NDArray[np.int64]) -> float:
    """Modularity of a grouping: affinity within categories minus that expected from the degrees.

    0 if the affinity is all 0.

    Source: Newman 2004, "Analysis of weighted networks", equation 15.
    """
    total = affinity.sum() or 1.0
    member = np.eye(grouping.max() + 1)[grouping]
    within = member.T @ affinity @ member
    return float(np.trace(within) / total - np.square(within.sum(axis=1) / total).sum())


def _most(affinity: NDArray[np.float64]) -> int:
    return min(len(affinity) - 1, MAX_CATEGORIES)


def _by_spectrum(embedding: SpectralEmbedding) -> int:
    """Largest relative gap between the Laplacian's eigenvalues.

    G unconnected categories have G eigenvalues of zero.
    Source: von Luxburg 2007, "A tutorial on spectral clustering", section 8.3.
    """
    most = min(len(embedding.eigenvalues) - 1, MAX_CATEGORIES)
    laplacian = np.maximum(1 - embedding.eigenvalues[: most + 1], LEAST_LAPLACIAN)
    return int(np.diff(np.log(laplacian)).argmax()) + 1


def _by_modularity(affinity: NDArray[np.float64], embedding: SpectralEmbedding) -> int:
    """Number of spectral clusters with the highest modularity."""
    best, number = LEAST_MODULARITY, 1
    for candidate in range(2, _most(affinity) + 1):
        if candidate > number + PATIENCE and number > 1:
            break
        score = modularity(affinity, embedding.grouping(candidate))
        if score > best:
            best, number = score, candidate
    return number


def _by_linkage(affinity: NDArray[np.float64]) -> int:
    """Largest relative drop of the similarity at which average linkage merges."""
    distance = 1 - affinity
    np.fill_diagonal(distance, 0)
    heights = linkage(squareform(distance, checks=False), method="average")[:, 2]
    # After the last merge one category is left; its similarity to others is set to 0.
    similarity = np.maximum(np.append(1 - heights, 0), LEAST_SIMILARITY)
    fall = -np.diff(np.log(similarity))  # entry t: with D - 1 - t categories, before merge t + 1
    return int(fall[::-1][: _most(affinity)].argmax()) + 1
