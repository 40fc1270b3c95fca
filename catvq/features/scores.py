"""One number for each feature, also for a categorical one: what the ways to group features start from.

Letters: N rows, D features, C columns.
"""

import numpy as np
from numpy.typing import NDArray

# Rows of a value that count as much as what is expected without them: the mean of a rare value says little.
PRIOR_ROWS = 10
HALVES = 2
FILLED_IN = 0.5  # between a row's largest and smallest indicator; at least 1 where the value is there


def feature_scores(columns: NDArray[np.float32], feature: NDArray[np.int64]) -> NDArray[np.float32]:
    """Give each value of a categorical feature the number that agrees best with all other features.

    The values' means of all other columns are taken along their main direction. A row's number comes from the
    means of the other half of the rows, so that a feature that tells nothing of others has numbers that do
    not either.

    Source: Benzécri 1973 (the first factor of correspondence analysis).

    Args:
        columns: Normalised, [N, C]; where a value is missing, NaN or filled in.
        feature: The feature of each column, int64 [C], ascending from 0.

    Returns:
        [N, D]: a number's own column, and scores of mean 0 and variance 1 in place of the columns of a
        categorical feature; NaN where it is in the columns.
    """
    sizes = np.bincount(feature)
    if (sizes == 1).all():
        return columns
    first = np.cumsum(sizes) - sizes
    scores = columns[:, first]
    filled = np.nan_to_num(columns)
    for number in np.flatnonzero(sizes > 1):
        # Other halves for each feature: scores tell of a row's half, and must not have it in common.
        half = np.random.default_rng(number).permutation(len(columns)) % HALVES
        own = feature == number
        is_there = np.nan_to_num(np.ptp(columns[:, own], axis=1)) > FILLED_IN
        value = columns[is_there][:, own].argmax(axis=1)
        member = np.eye(sizes[number], dtype=np.float32)[value]
        found = _scores(member, filled[is_there][:, ~own], half[is_there])
        if found.std() > 0:
            scores[is_there, number] = (found - found.mean()) / found.std()
    return scores


def _scores(
    member: NDArray[np.float32], others: NDArray[np.float32], half: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Numbers of rows by their values, [N, values], and all other columns, [N, C]; 0 where there are none."""
    if others.shape[1] == 0:
        return np.zeros(len(member), dtype=np.float32)
    count = member.sum(axis=0)
    weighted = member.T @ others / np.sqrt(count + PRIOR_ROWS)[:, None]
    direction = np.linalg.svd(weighted, full_matrices=False)[2][0]
    along = others @ direction
    scores = np.zeros(len(member), dtype=np.float32)
    for part in range(HALVES):
        is_other = half != part
        sums, rows = member[is_other].T @ along[is_other], member[is_other].sum(axis=0)
        scores[~is_other] = member[~is_other] @ (sums / (rows + PRIOR_ROWS))
    return scores
