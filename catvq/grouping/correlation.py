"""Groups features by correlation: Ward linkage, with the number of categories chosen by silhouette.

Letters: N rows, D features, G categories.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import squareform

# Rows on which correlations are computed: their standard error is then 1/141.
MAX_ROWS = 20_000
# Limit for the silhouette; more categories are hard to interpret.
MAX_AUTO_CATEGORIES = 40


def cluster_features(
    values: NDArray[np.float32],
    num_categories: int | None,
    *,
    seed: int,
    max_categories: int = MAX_AUTO_CATEGORIES,
) -> NDArray[np.int64]:
    """Cluster features by absolute correlation.

    Ward linkage on the distance 1 - |correlation|. Every feature gets a category; categories are numbered
    by their first feature.

    Source: Ward 1963 for the linkage; Rousseeuw 1987 for the silhouette.

    Args:
        values: Normalised rows [N, D], D at least 1.
        num_categories: Exact number of non-empty categories, at most D. None chooses the number from 2 to
            `max_categories` with the best mean silhouette.
        seed: Chooses the rows if there are more than 20,000.
        max_categories: Limit for the silhouette.

    Returns:
        The category of each feature, int64 [D].
    """
    count = values.shape[1]
    least, most = (2, min(count - 1, max_categories)) if num_categories is None else (num_categories,) * 2
    if most < 2:  # a silhouette needs three features
        return np.zeros(count, dtype=np.int64)
    if least >= count:
        return np.arange(count)
    distances = correlation_distances(values, seed=seed)
    tree = linkage(squareform(distances, checks=False), method="ward")
    groupings = cut_tree(tree, n_clusters=np.arange(least, most + 1))
    best = int(silhouettes(distances, groupings).argmax())
    grouping: NDArray[np.int64] = groupings[:, best].astype(np.int64)
    return grouping


def correlation_distances(values: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    """Distance 1 - |Pearson correlation| between features; 1 to a constant feature.

    Args:
        values: Rows without missing values [N, D].
        seed: Chooses the rows if there are more than 20,000.

    Returns:
        Float32 [D, D], symmetric, from 0 to 1, with an exactly zero diagonal.
    """
    if len(values) > MAX_ROWS:
        chosen = np.random.default_rng(seed).choice(len(values), MAX_ROWS, replace=False)
        values = values[np.sort(chosen)]
    columns = values - values.mean(axis=0, dtype=np.float64).astype(np.float32)
    norm = np.sqrt(np.einsum("nd,nd->d", columns, columns, dtype=np.float64))
    columns /= np.where(norm > 0, norm, 1).astype(np.float32)
    distances: NDArray[np.float32] = columns.T @ columns
    np.abs(distances, out=distances)
    np.minimum(distances, 1, out=distances)
    np.subtract(1, distances, out=distances)
    np.fill_diagonal(distances, 0)
    return distances


def silhouettes(distances: NDArray[np.float32], groupings: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean silhouette of each grouping of one tree; a feature alone in its category counts as 0.

    Distances are summed once for the finest grouping, and these sums are added for the coarser ones.

    Source: Rousseeuw 1987, section 2.

    Args:
        distances: [D, D].
        groupings: One grouping per column [D, number of groupings], each coarser than the next.

    Returns:
        From -1 to 1, one for each grouping.
    """
    finest = groupings[:, -1]
    sums = (distances @ _one_hot(finest).astype(np.float32)).astype(np.float64)
    scores = [_mean_silhouette(sums, finest)]
    for finer, coarser in pairwise(reversed(groupings.T)):
        merged_into = np.zeros(sums.shape[1], dtype=np.int64)
        merged_into[finer] = coarser
        sums = sums @ _one_hot(merged_into)
        scores.append(_mean_silhouette(sums, coarser))
    return np.array(scores[::-1])


def _mean_silhouette(sums: NDArray[np.float64], grouping: NDArray[np.int64]) -> float:
    """Mean silhouette from each feature's summed distance to each category [D, G]."""
    sizes = np.bincount(grouping)
    feature = np.arange(len(grouping))
    own_size = sizes[grouping]
    within = sums[feature, grouping] / np.maximum(own_size - 1, 1)
    to_others = sums / sizes
    to_others[feature, grouping] = np.inf
    nearest = to_others.min(axis=1)
    larger = np.maximum(within, nearest)
    scores = np.where((own_size > 1) & (larger > 0), (nearest - within) / np.where(larger > 0, larger, 1), 0)
    return float(scores.mean())


def _one_hot(grouping: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.eye(grouping.max() + 1)[grouping]
