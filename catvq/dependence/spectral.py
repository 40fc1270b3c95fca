"""Sorts features into categories by their affinities: self-scaling and spectral clustering.

Letters: D features, G categories.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import cut_tree, ward
from scipy.linalg import eigh
from scipy.spatial.distance import pdist

# The strongest neighbours whose mean is a feature's own scale: a category of four can fill it.
SCALE_NEIGHBOURS = 3
MAX_REASSIGNMENTS = 20
WIDE = 500  # features from which on looking for the first eigenvectors alone saves seconds


def self_scaled(strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide each pair's strength by the geometric mean of its features' own scales.

    So that features which all depend weakly on each other form a category just as strongly dependent ones
    do. A feature's scale is the mean strength of its three strongest pairs.

    Source: Zelnik-Manor and Perona 2004, "Self-tuning spectral clustering", section 2.

    Args:
        strength: [D, D], symmetric, 0 or more, diagonal 0.

    Returns:
        [D, D], symmetric, from 0 to 1, diagonal 0.
    """
    strongest = np.sort(strength, axis=1)[:, ::-1][:, :SCALE_NEIGHBOURS]
    scale = np.sqrt(strongest.mean(axis=1))
    scale = np.where(scale > 0, scale, 1)
    scaled: NDArray[np.float64] = np.minimum(strength / np.outer(scale, scale), 1)
    return scaled


def separation(affinity: NDArray[np.float64], grouping: NDArray[np.int64]) -> float:
    """How much of the affinity lies within categories, beyond what chance would put there.

    1 when categories have nothing to do with each other, 0 when a grouping of these sizes at random would
    do as well, and for a single category.

    Args:
        affinity: [D, D], symmetric, 0 or more, diagonal 0.
        grouping: int64 [D].
    """
    total = affinity.sum()
    is_within = grouping[:, None] == grouping[None, :]
    np.fill_diagonal(is_within, val=False)
    by_chance = is_within.sum() / max(len(grouping) * (len(grouping) - 1), 1)
    if total == 0 or by_chance == 1:
        return 0.0
    return float((affinity[is_within].sum() / total - by_chance) / (1 - by_chance))


@dataclass(frozen=True)
class SpectralEmbedding:
    """Eigenvectors of an affinity normalised by degrees.

    Attributes:
        eigenvalues: [D], descending, at most 1, as many as vectors.
        vectors: [D, D], in columns, in the same order; of wide tables only as many as were asked for.
    """

    eigenvalues: NDArray[np.float64]
    vectors: NDArray[np.float64]

    @classmethod
    def of(cls, affinity: NDArray[np.float64], number: int | None = None) -> Self:
        """Decompose an affinity [D, D] (symmetric, 0 or more).

        Args:
            affinity: What belongs together.
            number: Of eigenvectors that are needed; all when not given.
        """
        degree = affinity.sum(axis=1)
        scale = np.sqrt(np.where(degree > 0, degree, 1))
        normalised, count = affinity / np.outer(scale, scale), len(affinity)
        if number is None or count < WIDE:
            values, vectors = np.linalg.eigh(normalised)
        else:
            values, vectors = eigh(normalised, subset_by_index=[count - number, count - 1])
        return cls(values[::-1], vectors[:, ::-1])

    def grouping(self, num_categories: int) -> NDArray[np.int64]:
        """Sort the features into exactly G categories, none empty; int64 [D].

        Rows of the first G eigenvectors, of unit length, are clustered by Ward linkage, and the result is
        improved by k-means from there: no chance is involved.

        Source: Ng, Jordan and Weiss 2001, "On spectral clustering", section 2.
        """
        if num_categories == 1:
            return np.zeros(len(self.vectors), dtype=np.int64)
        points = self.vectors[:, :num_categories]
        length = np.linalg.norm(points, axis=1, keepdims=True)
        points = points / np.where(length > 0, length, 1)
        grouping: NDArray[np.int64] = cut_tree(ward(pdist(points)), n_clusters=[num_categories])[:, 0].astype(
            np.int64
        )
        for _ in range(MAX_REASSIGNMENTS):
            centres = np.stack([points[grouping == index].mean(axis=0) for index in range(num_categories)])
            nearest = (np.square(centres).sum(axis=1) - 2 * points @ centres.T).argmin(axis=1)
            if (nearest == grouping).all() or len(np.unique(nearest)) < num_categories:
                break
            grouping = nearest.astype(np.int64)
        return grouping
