"""How well features fit categories of others, by their dependence on those given all of them.

Grouping all features of a very wide table takes the square of their number in memory and its cube in time.
So some are grouped, and every other feature is compared with those alone.

Letters: N rows, C grouped features, M others, G categories.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

from catvq.dependence.available import Presence
from catvq.dependence.heavy_tails import tempered
from catvq.dependence.partial_correlation import inverse, null_variance, whitened
from catvq.dependence.rank_scores import cosines, rank_kurtosis, ranks


def fits_of_others(
    grouped: NDArray[np.float32],
    values: NDArray[np.float32],
    blocks: Sequence[NDArray[np.int64]],
    member: NDArray[np.float64],
) -> Iterator[NDArray[np.float64]]:
    """Minus the logarithm of the p-value of each other feature's pairs with each category's members, [M, G].

    It is a lower bound, which unlike the p-value tells strong dependence from stronger; below 0, where pairs
    surprise less than by chance, it only says which fits best.

    With P the ridge precision of the grouped features, r the correlations of a further feature with them, and
    s = 1 + ridge - r' P r, its squared partial correlation with the i-th given the rest is
    (P r)_i^2 / (s P_ii + (P r)_i^2). It is measured of values, and of two cosines of their ranks.

    Args:
        grouped: Normalised rows [N, C], NaN where missing; a missing cell counts as the mean.
        values: The same of all features.
        blocks: The other features, int64 [M] each; one block after another is compared, to bound memory.
        member: 1 where a grouped feature is in a category, else 0, [C, G].
    """
    rows, count = grouped.shape
    ridge = (count + 1) / rows
    variance = null_variance(count, rows, ridge)
    sizes = np.maximum(member.sum(axis=0), 1)
    views, kurtosis = _columns(grouped)
    precisions = [_precision(view, ridge) for view in views]
    for block in blocks:
        others, other_kurtosis = _columns(values[:, block])
        fits = np.full((len(block), member.shape[1]), -np.inf)
        for view, precision, other in zip(views, precisions, others, strict=True):
            across = (view.T @ other).astype(np.float64) / rows
            known = precision @ across
            rest = 1 + ridge - (across * known).sum(axis=0)
            squares = np.square(known)
            squares /= (np.diag(precision)[:, None] * rest + squares) * variance
            excess = np.maximum(squares - 1, 0)
            tail = tempered(excess, np.outer(kurtosis, other_kurtosis), rows=rows)
            p_value = erfc(np.sqrt((squares - excess + tail) / 2))
            surprise = -np.log(np.maximum(p_value, np.finfo(np.float64).tiny))
            fits = np.maximum(fits, _evidence(surprise.T @ member, sizes))
        yield fits - np.log(len(views))


def _evidence(sums: NDArray[np.float64], numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compare sums of surprises [M, G] with those of as many Exp(1) variables, [G], by Chernoff's bound."""
    least = np.finfo(np.float64).tiny
    bound = sums - numbers - numbers * np.log(np.maximum(sums, least) / numbers)
    return np.asarray(np.where(sums > numbers, bound, -bound))


def _precision(columns: NDArray[np.float32], ridge: float) -> NDArray[np.float64]:
    correlation = (columns.T @ columns).astype(np.float64) / len(columns)
    correlation[np.diag_indices_from(correlation)] = 1 + ridge
    return inverse(correlation)


def _columns(values: NDArray[np.float32]) -> tuple[list[NDArray[np.float32]], NDArray[np.float64]]:
    """Values, and second and first cosines of ranks, of unit variance [N, D]; and the kurtosis of ranks."""
    presence = Presence.of(values)
    rank = ranks(values, presence)
    functions = values[:, :, None], cosines(rank, range(2, 3)), cosines(rank, range(1, 2))
    views = [whitened(each, presence).columns[:, :, 0] for each in functions]
    return views, rank_kurtosis(rank, presence)
