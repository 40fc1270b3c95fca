"""One number for a channel, which has many descriptors: what of them agrees best with all other features.

Letters: N rows, M descriptors, C columns.
"""

import numpy as np
from numpy.typing import NDArray

# Rows that count as much as what is expected without them, in the direction of each descriptor: with fewer
# rows than these, chance decides which of them agree.
PRIOR_ROWS = 10
HALVES = 2


def channel_scores(
    own: NDArray[np.float32], others: NDArray[np.float32], half: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The combination of a channel's descriptors that predicts most of the other features.

    Each half of the rows is scored by what was found in the other half, direction included, so that a channel
    that tells nothing of others has numbers that do not either.

    Source: Izenman 1975 (reduced-rank regression of rank 1), with a ridge.

    Args:
        own: Descriptors of the rows that have them, [N, M].
        others: All other columns, 0 where missing, [N, C].
        half: Of each row, [N].

    Returns:
        [N], in no particular unit; 0 where there is nothing to learn from.
    """
    scores = np.zeros(len(own), dtype=np.float32)
    first: NDArray[np.float64] | None = None
    for part in range(HALVES):
        is_other = half != part
        if is_other.sum() <= 1 or is_other.all() or not others.shape[1]:
            return np.zeros(len(own), dtype=np.float32)
        mean, deviation = own[is_other].mean(axis=0), own[is_other].std(axis=0)
        unit = (own - mean) / np.where(deviation > 0, deviation, np.inf)
        direction, weights = _main_direction(unit[is_other], others[is_other])
        first = direction if first is None else first
        found = unit[~is_other] @ weights
        scores[~is_other] = found if first @ direction >= 0 else -found
    return scores


def _main_direction(
    own: NDArray[np.float32], others: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The direction among the others that is predicted best, [C], and the weights that do it, [M]."""
    centred = own.astype(np.float64)
    products = centred.T @ (others - others.mean(axis=0))
    moments = centred.T @ centred + PRIOR_ROWS * np.eye(own.shape[1])
    factor = np.linalg.cholesky(moments)
    direction = np.linalg.svd(np.linalg.solve(factor, products), full_matrices=False)[2][0]
    return direction, np.linalg.solve(moments, products @ direction)
