"""One number for each feature, also one of several columns: what the ways to group features start from.

Letters: N rows, D features, C columns.
"""

import numpy as np
from numpy.typing import NDArray

from catvq.features.scores.channel_scores import channel_scores

# Rows of a value that count as much as what is expected without them: the mean of a rare value says little.
PRIOR_ROWS = 10
HALVES = 2
FILLED_IN = 0.5  # between a row's largest and smallest indicator; at least 1 where the value is there


def feature_scores(
    columns: NDArray[np.float32],
    feature: NDArray[np.int64],
    is_channel: NDArray[np.bool_] | None = None,
    is_gap: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Give each value of a categorical feature the number that agrees best with all other features.

    A channel gets a number of that kind, too, see `channel_scores`.

    The values' means of all other columns are taken along their main direction. A row's number comes from the
    means of the other half of the rows, so that a feature that tells nothing of others has numbers that do
    not either.

    Source: Benzécri 1973 (the first factor of correspondence analysis).

    Args:
        columns: Normalised, [N, C]; where a value is missing, NaN or filled in.
        feature: The feature of each column, int64 [C], ascending from 0.
        is_channel: Which features are channels, bool [D]; none of them when not given.
        is_gap: Which columns tell of missing values, bool [C]; they count only where a feature has no other.

    Returns:
        [N, D]: a number's own column, and scores of mean 0 and variance 1 in place of the columns of another
        feature; NaN where it is in the columns.
    """
    if is_gap is not None and is_gap.any():
        is_scored = ~is_gap | (np.bincount(feature, ~is_gap) == 0)[feature]
        columns, feature = columns[:, is_scored], feature[is_scored]
    sizes = np.bincount(feature)
    if (sizes == 1).all():
        return columns
    scores = columns[:, np.cumsum(sizes) - sizes]
    filled = np.nan_to_num(columns)
    for number in np.flatnonzero(sizes > 1).tolist():
        # Other halves for each feature: scores tell of a row's half, and must not have it in common.
        half = np.random.default_rng(number).permutation(len(columns)) % HALVES
        own = feature == number
        if is_channel is not None and is_channel[number]:
            is_there = np.asarray(~np.isnan(columns[:, own]).any(axis=1))
            described, others = filled[is_there][:, own], filled[is_there][:, ~own]
            _put(scores, number, is_there, channel_scores(described, others, half[is_there]))
            continue
        is_there = np.asarray(np.nan_to_num(np.ptp(columns[:, own], axis=1)) > FILLED_IN)
        member = np.zeros((len(columns), sizes[number]), dtype=np.float32)
        member[is_there, columns[is_there][:, own].argmax(axis=1)] = 1
        _put(scores, number, is_there, _scores(member, filled, half, own)[is_there])
    return scores


def _put(
    scores: NDArray[np.float32], number: int, is_there: NDArray[np.bool_], found: NDArray[np.float32]
) -> None:
    """Put what was found into a feature's column, with mean 0 and variance 1."""
    if found.std() > 0:
        scores[is_there, number] = (found - found.mean()) / found.std()


def _scores(
    member: NDArray[np.float32], columns: NDArray[np.float32], half: NDArray[np.int64], own: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Numbers of rows, [N], by which value each has, [N, values], none where it is missing.

    Args:
        member: Which value each row has.
        columns: Of all features, [N, C].
        half: Of each row, [N].
        own: Which columns are the feature's own, [C].
    """
    count = member.sum(axis=0)
    sums = member.T @ columns
    sums -= np.outer(count / count.sum(), sums.sum(axis=0))
    sums[:, own] = 0
    direction = np.linalg.svd(sums / np.sqrt(count + PRIOR_ROWS)[:, None], full_matrices=False)[2][0]
    along = columns @ np.where(own, 0, direction)
    along -= member.sum(axis=1) @ along / count.sum()
    scores = np.zeros(len(member), dtype=np.float32)
    for part in range(HALVES):
        is_other = half != part
        means = member[is_other].T @ along[is_other] / (member[is_other].sum(axis=0) + PRIOR_ROWS)
        scores[~is_other] = member[~is_other] @ means
    return scores
