"""Rank-based scores of features, which do not depend on unit, scale or tails.

Letters: N rows, D features, K functions of each feature.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from catvq.dependence.available import Presence, standardised

# Variance added to every direction before whitening: directions in which features are redundant hold more
# noise than signal.
WHITENING_FLOOR = 0.05


def ranks(values: NDArray[np.float32], presence: Presence | None = None) -> NDArray[np.float32]:
    """Rank of each value in its column, float32 [N, D], strictly between 0 and 1; ties get their mean.

    Ranks are taken among the present values; the entries of missing values are meaningless.
    """
    if presence is not None:
        among = rankdata(np.where(presence.cells, values, np.inf), axis=0)
        return np.asarray((among - 0.5) / np.maximum(np.diag(presence.rows), 1), dtype=np.float32)
    found: NDArray[np.float32] = ((rankdata(values, axis=0) - 0.5) / len(values)).astype(np.float32)
    return found


def cosines(rank: NDArray[np.float32], orders: range) -> NDArray[np.float32]:
    """Cosines sqrt(2) cos(pi k rank) of the given orders k, [N, D, K]: orthonormal for a uniform rank."""
    order = np.array(orders, dtype=np.float32)
    waves = rank[:, :, None] * (np.float32(np.pi) * order)
    np.cos(waves, out=waves)
    waves *= np.float32(np.sqrt(2))
    return waves


def uncorrelated_scores(rank: NDArray[np.float32], presence: Presence | None = None) -> NDArray[np.float32]:
    """First cosines of the ranks, decorrelated with the least change (ZCA), [N, D]; 0 where missing.

    The scores are bounded rather than normal, so that products of three or four of them have lighter tails.

    Source: Kessy, Lewin and Strimmer 2018, "Optimal whitening and decorrelation", section 3 (ZCA).
    """
    scores = cosines(rank, range(1, 2))[:, :, 0]
    if presence is None:
        scores -= scores.mean(axis=0, dtype=np.float64).astype(np.float32)
        covariance = (scores.T @ scores).astype(np.float64) / len(scores)
    else:
        scores = standardised(scores, presence)
        covariance = presence.correlation(scores)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors / np.sqrt(np.maximum(values, 0) + WHITENING_FLOOR)) @ vectors.T
    scores = scores @ root.astype(np.float32)
    if presence is not None:
        scores[~presence.cells] = 0
        return standardised(scores, presence)
    # Rounding errors of a constant feature must not be scaled up.
    varies = np.ptp(rank, axis=0) > 0
    found: NDArray[np.float32] = np.where(varies, scores / np.where(varies, scores.std(axis=0), 1), 0)
    return found


def rank_kurtosis(rank: NDArray[np.float32], presence: Presence | None = None) -> NDArray[np.float64]:
    """Kurtosis of the first cosine of the ranks, float64 [D]: 1.5 without ties, 1 / p for a rare value.

    p is the value's frequency. 0 for a constant feature.
    """
    scores = cosines(rank, range(1, 2))[:, :, 0].astype(np.float64)
    if presence is not None:
        fourth = np.power(standardised(scores.astype(np.float32), presence), 4)
        return np.asarray(fourth.sum(axis=0, dtype=np.float64) / np.maximum(np.diag(presence.rows), 1))
    squares = np.square(scores - scores.mean(axis=0))
    varies = np.ptp(rank, axis=0) > 0
    variance = np.where(varies, squares.mean(axis=0), 1)
    found: NDArray[np.float64] = np.where(varies, np.square(squares).mean(axis=0) / np.square(variance), 0)
    return found
