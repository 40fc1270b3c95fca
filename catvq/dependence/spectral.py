"""Self-scaling of affinities and spectral clustering of features.

Letters: D features, G categories.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, ward
from scipy.linalg import eigh
from scipy.spatial.distance import pdist

# A feature's scale is the mean of this many strongest neighbours: a category of four has enough.
SCALE_NEIGHBOURS = 3
MAX_REASSIGNMENTS = 20
WIDE = 500  # from this many features on, computing only the leading eigenvectors saves seconds
VERY_WIDE = 3000  # with more, no other thread would run for many seconds, not even a job's heartbeat


def self_scaled(strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide each pair's strength by the geometric mean of its features' scales.

    Features that depend weakly on each other then form a category like strongly dependent ones. A feature's
    scale is the mean strength of its three strongest pairs.

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
    """Share of the affinity within categories, corrected for chance.

    1 if there is no affinity between categories; 0 for a random grouping of the same sizes, and for a single
    category.

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
        vectors: [D, D], in columns, in the same order; for wide tables only the requested number.
    """

    eigenvalues: NDArray[np.float64]
    vectors: NDArray[np.float64]

    @classmethod
    def of(cls, affinity: NDArray[np.float64], number: int | None = None) -> Self:
        """Decompose an affinity [D, D] (symmetric, 0 or more).

        Args:
            affinity: The affinity.
            number: Number of eigenvectors; all by default.
        """
        degree = affinity.sum(axis=1)
        scale = np.sqrt(np.where(degree > 0, degree, 1))
        normalised, count = affinity / np.outer(scale, scale), len(affinity)
        if number is not None and count > VERY_WIDE:
            values, vectors = (found.numpy() for found in torch.linalg.eigh(torch.from_numpy(normalised)))
        elif number is None or count < WIDE:
            values, vectors = np.linalg.eigh(normalised)
        else:
            values, vectors = eigh(normalised, subset_by_index=[count - number, count - 1])
        return cls(values[::-1], vectors[:, ::-1])

    def grouping(self, num_categories: int) -> NDArray[np.int64]:
        """Cluster the features into exactly G non-empty categories; int64 [D].

        Rows of the first G eigenvectors, of unit length, are clustered by Ward linkage and refined by
        k-means. The result is deterministic.

        Source: Ng, Jordan and Weiss 2001, "On spectral clustering", section 2.
        """
        if num_categories == 1:
            return np.zeros(len(self.vectors), dtype=np.int64)
        points = self.vectors[:, :num_categories]
        length = np.linalg.norm(points, axis=1, keepdims=True)
        points = points / np.where(length > 0, length, 1)
        merges = ward(pdist(points))
        order = np.arange(
            len(merges), dtype=np.float64
        )  # all but the last merges, ten times faster than cut_tree
        labels = fcluster(merges, num_categories, "maxclust_monocrit", monocrit=order)
        grouping: NDArray[np.int64] = labels.astype(np.int64) - 1
        for _ in range(MAX_REASSIGNMENTS):
            centres = np.stack([points[grouping == index].mean(axis=0) for index in range(num_categories)])
            nearest = (np.square(centres).sum(axis=1) - 2 * points @ centres.T).argmin(axis=1)
            if (nearest == grouping).all() or len(np.unique(nearest)) < num_categories:
                break
            grouping = nearest.astype(np.int64)
        return grouping
