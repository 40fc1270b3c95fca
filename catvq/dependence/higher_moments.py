"""Third- and fourth-order dependence: products of three or four features with a mean other than zero.

Letters: N rows, D features.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from catvq.dependence.heavy_tails import tempered

# Probability of one false product in a table of independent features.
FALSE_ALARM = 0.001
# Multiplications of one search, about 10 s of one core; of longer tables only the first rows are used.
THIRD_ORDER_BUDGET = 6e11
FOURTH_ORDER_BUDGET = 4e10
MAY_COUNT = 0.99  # share of the significance level from which a product is computed exactly
# With fewer rows a mean product must be above 0.25 to be significant.
LEAST_ROWS = 500


def third_order(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Third-order strength of each pair: sum of the squared significant means with every third feature.

    The mean of z_i z_j z_k over N rows has variance v / N under independence of any one of the three from
    the other two, v being the largest of the three mean z_a^2 z_b^2. A squared mean counts by its excess
    over the squared significance level, and less if the product is heavy-tailed.

    Args:
        scores: Uncorrelated, of mean 0 and variance 1, bounded [N, D].

    Returns:
        [D, D], symmetric, diagonal 0; all 0 if there are too few rows or too many features.
    """
    count = scores.shape[1]
    found = np.zeros((count, count))
    columns = _affordable(scores, THIRD_ORDER_BUDGET / max(2 * count**3 / 3, 1))
    if count < 3 or columns is None:
        return found
    rows = columns.shape[1]
    level = norm.isf(FALSE_ALARM / 2 / (count * (count - 1) * (count - 2) / 6)) ** 2
    squares = columns * columns
    scale = np.maximum(squares @ squares.T / rows, 1)
    kurtosis = np.square(squares).mean(axis=1, dtype=np.float64)
    for first in range(count - 2):
        rest = slice(first + 1, count)
        mean = (columns[rest] * columns[first]) @ columns[rest].T / rows
        # Variances are at least 1 / N, and most means are not significant even then.
        one, other = np.nonzero(np.square(mean) > MAY_COUNT * level / rows)
        one, other = one[one != other] + first + 1, other[one != other] + first + 1
        largest = np.maximum(np.maximum(scale[first, one], scale[first, other]), scale[one, other])
        variance = largest / rows
        of_product = kurtosis[first] * (kurtosis[one] * kurtosis[other])
        squares = mean[one - first - 1, other - first - 1].astype(np.float64) ** 2
        above = variance * np.maximum(tempered(squares / variance, of_product, rows=rows) - level, 0)
        found[one, other] += above
        with_first = np.bincount(one, above, minlength=count)
        found[first] += with_first
        found[:, first] += with_first
    return found


def fourth_order(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Fourth-order strength of each pair: sum of the squared significant means with every two others.

    For features without pairwise and third-order dependence: the variance of a mean product is then 1 / N,
    and no lower moment needs to be subtracted. Means of heavy-tailed products count less.

    Args:
        scores: As for `third_order`.

    Returns:
        [D, D], symmetric, diagonal 0; all 0 if there are too few rows or too many features.
    """
    count = scores.shape[1]
    found = np.zeros((count, count))
    first, second = np.triu_indices(count, 1)
    columns = _affordable(scores, FOURTH_ORDER_BUDGET / max(2 * len(first) ** 2, 1))
    if count < 4 or columns is None:
        return found
    rows = columns.shape[1]
    level = norm.isf(FALSE_ALARM / 2 / (count * (count - 1) * (count - 2) * (count - 3) / 24)) ** 2
    products = columns[first] * columns[second]
    mean = products @ products.T / rows
    member = np.zeros((len(first), count), dtype=np.float32)
    member[np.arange(len(first)), first] = member[np.arange(len(first)), second] = 1
    is_disjoint = member @ member.T == 0
    kurtosis = np.square(np.square(products)).mean(axis=1, dtype=np.float64)
    deviation = tempered(mean.astype(np.float64) ** 2 * rows, np.outer(kurtosis, kurtosis), rows=rows)
    above = np.where(is_disjoint, np.maximum(deviation - level, 0) / rows, 0).sum(axis=1)
    found[first, second] = found[second, first] = above
    return found


def _affordable(scores: NDArray[np.float32], rows: float) -> NDArray[np.float32] | None:
    """Return the first rows as columns [D, rows], or None if there are too few."""
    number = min(len(scores), int(rows))
    if number < min(len(scores), LEAST_ROWS):
        return None
    return np.ascontiguousarray(scores[:number].T)
