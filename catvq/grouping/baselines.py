"""Grouping methods without training: initial groupings of runs, and baselines for learnt groupings.

Letters: N rows, D features, G categories.
"""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import FeatureAgglomeration, SpectralClustering, SpectralCoclustering

from catvq.dependence.dependence import group_by_dependence
from catvq.dependence.rank_scores import ranks
from catvq.grouping.correlation import cluster_features, correlation_distances
from catvq.grouping.partitions import random_grouping

MI_BINS = 8  # of equal counts: 64 cells for each pair
MI_ROWS = 5000  # at most, for mutual information; fewer with more than 970 features
# Multiplications for mutual information, but at least 1,000 rows: about 5 s of one core for 2,000 features.
MI_WORK = 1.5e11
MI_LEAST_ROWS = 1000
MI_BLOCK = 16  # features at a time, so that memory grows with D, not D * D
LEAST_AFFINITY = 1e-6  # keeps the graph of features connected, as spectral clustering requires

Grouping = NDArray[np.int64]
GroupingMethod = Callable[[NDArray[np.float32], int, int], Grouping]


def mutual_information(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mutual information of all pairs of features in nats, from their ranks in equal bins, [D, D].

    Args:
        values: Rows without missing values [N, D].
    """
    rows, count = values.shape
    bins = np.minimum((ranks(values) * MI_BINS).astype(np.int64), MI_BINS - 1)
    member = np.eye(MI_BINS, dtype=np.float32)[bins].reshape(rows, count * MI_BINS)
    part = np.arange(rows + 1) / rows
    term = part * np.log(np.where(part > 0, part, 1))  # a cell's contribution to minus the entropy
    own = term[member.sum(axis=0).astype(np.int64)].reshape(count, MI_BINS).sum(axis=1)
    information = np.empty((count, count))
    for start in range(0, count, MI_BLOCK):
        block = member[:, start * MI_BINS : (start + MI_BLOCK) * MI_BINS]
        counts = (block.T @ member[:, start * MI_BINS :]).astype(np.int64)
        joint = term[counts].reshape(-1, MI_BINS, count - start, MI_BINS).sum(axis=(1, 3))
        found = joint - own[start : start + MI_BLOCK, None] - own[None, start:]
        information[start : start + MI_BLOCK, start:] = found
        information[start:, start : start + MI_BLOCK] = found.T
    return np.maximum(information, 0)


def _dependence(values: NDArray[np.float32], num_categories: int, seed: int) -> Grouping:
    return group_by_dependence(values, num_categories, seed=seed).grouping


def _clustering(values: NDArray[np.float32], num_categories: int, seed: int) -> Grouping:
    return cluster_features(values, num_categories, seed=seed)


def _agglomeration(values: NDArray[np.float32], num_categories: int, _seed: int) -> Grouping:
    return np.asarray(FeatureAgglomeration(n_clusters=num_categories).fit(values).labels_, np.int64)


def _coclustering(values: NDArray[np.float32], num_categories: int, seed: int) -> Grouping:
    model = SpectralCoclustering(n_clusters=num_categories, random_state=seed)
    return np.asarray(model.fit(_correlation(values, seed)).column_labels_, np.int64)


def _spectral_correlation(values: NDArray[np.float32], num_categories: int, seed: int) -> Grouping:
    return _spectral(_correlation(values, seed), num_categories, seed)


def _spectral_information(values: NDArray[np.float32], num_categories: int, seed: int) -> Grouping:
    """Cluster by the informational coefficient of correlation sqrt(1 - exp(-2 I)). Source: Linfoot 1957."""
    affordable = int(MI_WORK / (values.shape[1] * MI_BINS) ** 2 * 2)
    number = int(np.clip(affordable, MI_LEAST_ROWS, MI_ROWS))
    rows = values[np.random.default_rng(seed).permutation(len(values))[:number]]
    affinity = np.sqrt(1 - np.exp(-2 * mutual_information(rows)))
    return _spectral(np.maximum(affinity, LEAST_AFFINITY), num_categories, seed)


def _spectral(affinity: NDArray[np.floating], num_categories: int, seed: int) -> Grouping:
    model = SpectralClustering(num_categories, affinity="precomputed", random_state=seed)
    with warnings.catch_warnings():
        # With hardly more features than categories, the sparse solver warns that it uses the dense one.
        warnings.filterwarnings("ignore", message="k >= N", category=RuntimeWarning)
        return np.asarray(model.fit_predict(affinity), np.int64)


def _correlation(values: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    return np.maximum(1 - correlation_distances(values, seed=seed), np.float32(LEAST_AFFINITY))


def _random(values: NDArray[np.float32], num_categories: int, seed: int) -> Grouping:
    return random_grouping(values.shape[1], num_categories, seed=seed)


# Keys are the names in reports. "dependence" and "clustering" are this package's own methods.
GROUPING_METHODS: Mapping[str, GroupingMethod] = {
    "dependence": _dependence,
    "clustering": _clustering,
    "feature_agglomeration": _agglomeration,
    "spectral_coclustering": _coclustering,
    "spectral_correlation": _spectral_correlation,
    "spectral_information": _spectral_information,
    "random": _random,
}
CANDIDATES = (
    "clustering",
    "feature_agglomeration",
    "spectral_correlation",
    "spectral_information",
)


def group_within(
    name: str, values: NDArray[np.float32], allowed: NDArray[np.bool_], *, seed: int
) -> Grouping:
    """Group features by a method, separately for each set of features with the same allowed categories.

    Args:
        name: A key of GROUPING_METHODS.
        values: Normalised rows without missing values [N, D].
        allowed: Which categories each feature may join [D, G]; two rows are equal or disjoint.
        seed: Seed of the method, if it is random.

    Returns:
        The category of each feature, int64 [D].
    """
    grouping = np.zeros(len(allowed), dtype=np.int64)
    for choice in np.unique(allowed, axis=0):
        members = np.flatnonzero((allowed == choice).all(axis=1))
        categories = np.flatnonzero(choice)
        if len(members) <= len(categories):
            found = np.arange(len(members))
        elif len(categories) == 1:
            found = np.zeros(len(members), dtype=np.int64)
        else:
            found = GROUPING_METHODS[name](values[:, members], len(categories), seed)
        grouping[members] = categories[found]
    return grouping
