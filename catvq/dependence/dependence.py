"""Groups features by statistical dependence of any kind, not only correlation.

Letters: N rows, D' features, G categories.
"""

from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

from catvq.dependence.attachment import fits_of_others
from catvq.dependence.available import Presence
from catvq.dependence.category_count import CategoryCount, count_categories
from catvq.dependence.higher_moments import fourth_order, third_order
from catvq.dependence.partial_correlation import conditional_evidence, marginal_strength, whitened
from catvq.dependence.rank_scores import cosines, rank_kurtosis, ranks, uncorrelated_scores
from catvq.dependence.spectral import self_scaled
from catvq.dependence.views import Views

# Rows on which dependence is measured: the standard error of a squared partial correlation is then 0.0001.
MAX_ROWS = 20_000
COSINES = 4
MAX_COLUMNS = 3000  # cosine columns in total, 3 s to invert; with more features, fewer cosines of each
# Most features that are clustered, or so many for each category of a given number; others are put to those.
CLUSTERED, CLUSTERED_PER_CATEGORY = 2500, 5
BLOCK = 500  # others at a time, which bounds memory
FALSE_PAIR = 0.01  # probability of one false pair in a table of independent features
FALSE_PARTNERS = 0.1  # false discovery rate of features that take part in the clustering
FALSE_MEMBERS = 0.01  # false discovery rate of features that are not marked as noise
# Squared marginal correlation. Independent time series easily reach significance.
WEAK = 0.03
STRONGEST = 5  # strongest pairs of a feature that decide whether it takes part

Structure = Literal["categories", "one_category", "none"]


@dataclass(frozen=True)
class DependenceGrouping:
    """Result of `group_by_dependence`.

    Attributes:
        grouping: int64 [D'], the category of each feature; categories are numbered by their first feature.
        is_noise: bool [D'], whether the feature depends significantly on no category; it is then put into
            the best fitting one.
        num_categories: G; none is empty.
        structure: "none" if all features are noise; "one_category" if G was not given and all other
            features form one category.
        count: The estimates behind an automatic G; None if G was given, or nothing was found.
        separation: Share of the dependence within categories, see `Views.separation`; of the features that
            take part in the clustering.
        clustered: Number of features that were clustered, to which the others were put.
    """

    grouping: NDArray[np.int64]
    is_noise: NDArray[np.bool_]
    num_categories: int
    structure: Structure
    count: CategoryCount | None
    separation: float
    clustered: int


def group_by_dependence(
    values: NDArray[np.float32], num_categories: int | None, *, seed: int
) -> DependenceGrouping:
    """Group features so that dependence, given all other features, lies within categories.

    The strength of a pair is a sum: its squared partial correlations (of the values, of their rank's
    distance from the middle, and of 4 cosines of the ranks) above the level of chance, and significant
    means of products with a third feature (with a third and a fourth if nothing else is found). The
    self-scaled strengths are clustered spectrally, unless another view explains more, see `views`.

    Features should be distinct: merge duplicates before. Dependence of five or more features that leaves
    every four independent is not detected.

    Args:
        values: Normalised rows [N, D'], NaN where missing, D' at least 1. Missing values are excluded pair
            by pair. Outliers should be clipped: rows that are extreme in two features by chance look like
            dependence.
        num_categories: Exact number of non-empty categories, at most D'. None estimates it as the median of
            three estimates, which may be 1.
        seed: Chooses the rows if there are more than 20,000, and the features of a wide table that are
            clustered; nothing else is random.
    """
    random = np.random.default_rng(seed)
    if len(values) > MAX_ROWS:
        values = values[np.sort(random.choice(len(values), MAX_ROWS, replace=False))]
    most = max(CLUSTERED, CLUSTERED_PER_CATEGORY * (num_categories or 0))
    if values.shape[1] <= most:
        return _group_all(values, num_categories)
    order = random.permutation(values.shape[1])
    chosen, others = np.sort(order[:most]), np.sort(order[most:])
    found = _group_all(values[:, chosen], num_categories)
    grouping = np.empty(len(order), dtype=np.int64)
    is_noise = np.empty(len(order), dtype=bool)
    grouping[chosen], is_noise[chosen] = found.grouping, found.is_noise
    member = np.eye(found.num_categories)[found.grouping] * ~found.is_noise[:, None]
    blocks = np.array_split(others, -(-len(others) // BLOCK))
    fits = np.concatenate(list(fits_of_others(values[:, chosen], values, blocks, member)))
    grouping[others] = fits.argmax(axis=1)
    p_value = found.num_categories * np.exp(-fits.max(axis=1))
    is_noise[others] = ~_discoveries(p_value, FALSE_MEMBERS)
    return replace(found, grouping=_numbered_by_first(grouping), is_noise=is_noise)


def _group_all(values: NDArray[np.float32], num_categories: int | None) -> DependenceGrouping:
    evidence = _Evidence.of(values)
    takes_part = evidence.takes_part
    count = None
    if num_categories is None and takes_part.sum() > 1:
        count = count_categories(evidence.affinity(takes_part))
    wanted = min(num_categories or (count.number if count else 1), len(takes_part))
    if takes_part.sum() < wanted:
        takes_part = np.ones_like(takes_part)
    grouping = np.zeros(len(takes_part), dtype=np.int64)
    members, separated = np.flatnonzero(takes_part), 0.0
    if wanted > 1:
        views = evidence.views(takes_part)
        grouping[members] = views.best_grouping(wanted)
        separated = views.separation(grouping[members])
    fits = evidence.fit(grouping, takes_part, wanted)
    grouping = np.where(takes_part, grouping, fits.argmin(axis=1))
    own = fits[np.arange(len(grouping)), grouping]
    is_noise = ~_discoveries(np.where(evidence.is_certain, 0, own * wanted), FALSE_MEMBERS)
    if num_categories is None and is_noise.all():
        grouping, wanted, count = np.zeros_like(grouping), 1, None
    structure: Structure = "categories"
    if is_noise.all():
        structure = "none"
    elif num_categories is None and wanted == 1:
        structure = "one_category"
    return DependenceGrouping(
        _numbered_by_first(grouping), is_noise, wanted, structure, count, separated, len(takes_part)
    )


@dataclass(frozen=True)
class _Evidence:
    """Measured dependence of all pairs of features.

    Attributes:
        strength: [D', D'], summed evidence of each pair.
        surprise: [tests, D', D'], minus the logarithm of each pair's p-value in each test.
        is_certain: bool [D'], whether the feature is in a significant pair, triple or quadruple.
        takes_part: bool [D'], whether it is certain, or its strongest pairs are jointly significant.
        significant: [D', D'], strength of the pairs that are significant by themselves, else 0.
        marginal: [D', D'], marginal strength of the cosines of the ranks (not given other features).
    """

    strength: NDArray[np.float64]
    surprise: NDArray[np.float64]
    is_certain: NDArray[np.bool_]
    takes_part: NDArray[np.bool_]
    significant: NDArray[np.float64]
    marginal: NDArray[np.float64]

    @classmethod
    def of(cls, rows: NDArray[np.float32]) -> Self:
        count = rows.shape[1]
        if count < 2:
            nothing = np.zeros((count, count))
            nobody = np.zeros(count, dtype=bool)
            return cls(nothing, nothing[None], nobody, nobody, nothing, nothing)
        presence = Presence.of(rows)
        rank = ranks(rows, presence)
        orders = range(1, 1 + max(1, min(COSINES, MAX_COLUMNS // count)))
        kurtosis = rank_kurtosis(rank, presence)
        views = [
            whitened(functions, presence)
            for functions in (rows[:, :, None], cosines(rank, range(2, 3)), cosines(rank, orders))
        ]
        tests = [conditional_evidence(view, kurtosis, presence) for view in views]
        surprise = np.stack([test.surprise for test in tests])
        scores = uncorrelated_scores(rank, presence)
        products = third_order(scores)
        strength = np.sum([test.strength for test in tests], axis=0) + products
        pairs = len(tests) * count * (count - 1) / 2
        is_significant = (surprise > np.log(pairs / FALSE_PAIR)).any(axis=0) | (products > 0)
        is_certain = is_significant.any(axis=0)
        takes_part = _discoveries(np.where(is_certain, 0, _strongest_pairs(surprise)), FALSE_PARTNERS)
        alone = np.flatnonzero(~takes_part)
        fours = fourth_order(scores[:, alone])
        strength[np.ix_(alone, alone)] += fours
        is_significant[np.ix_(alone, alone)] |= fours > 0
        is_certain[alone] |= fours.any(axis=1)
        return cls(
            strength,
            surprise,
            is_certain,
            takes_part | is_certain,
            np.where(is_significant, strength, 0),
            marginal_strength(views[-1], kurtosis, presence),
        )

    def affinity(self, takes_part: NDArray[np.bool_]) -> NDArray[np.float64]:
        if not takes_part.any():
            return np.zeros((0, 0))
        return self_scaled(self.strength[np.ix_(takes_part, takes_part)])

    def views(self, takes_part: NDArray[np.bool_]) -> Views:
        chosen = np.ix_(takes_part, takes_part)
        return Views(
            self.affinity(takes_part),
            self_scaled(self.significant[chosen]),
            self_scaled(self.marginal[chosen]),
            self_scaled(np.maximum(self.marginal[chosen] - WEAK, 0)),
        )

    def fit(
        self, grouping: NDArray[np.int64], takes_part: NDArray[np.bool_], num_categories: int
    ) -> NDArray[np.float64]:
        """P-value of each feature's pairs with each category's members, [D', G]; a small one fits well.

        Source: Fisher 1932 (the sum of n logarithms of p-values is a gamma variable of shape n).
        """
        member = np.eye(num_categories)[grouping] * takes_part[:, None]
        sizes = member.sum(axis=0) - member  # without the feature itself
        p_value = gamma.sf(self.surprise @ member, np.maximum(sizes, 1))
        return np.where(sizes > 0, len(p_value) * p_value.min(axis=0), 1.0)


def _strongest_pairs(surprise: NDArray[np.float64]) -> NDArray[np.float64]:
    """P-value of the mean surprise of each feature's strongest pairs, [D'].

    Under independence the surprises are Exp(1), and the mean of the k largest of n of them is a weighted
    sum of Exp(1) variables (Rényi 1953): the i-th has weight min(i, k) / (k i). It is approximated by a
    gamma variable of the same mean and variance.
    """
    partners = surprise.shape[1] - 1
    number = min(STRONGEST, partners)
    largest = np.sort(surprise, axis=2)[:, :, ::-1][:, :, :number].mean(axis=2)
    index = np.arange(1, partners + 1)
    weights = np.minimum(index, number) / (number * index)
    mean, variance = weights.sum(), np.square(weights).sum()
    p_value = gamma.sf(largest, mean**2 / variance, scale=variance / mean)
    found: NDArray[np.float64] = len(surprise) * p_value.min(axis=0)
    return found


def _discoveries(p_value: NDArray[np.float64], false_part: float) -> NDArray[np.bool_]:
    """Select significant p-values at a false discovery rate of `false_part`.

    Source: Benjamini and Hochberg 1995.
    """
    ordered = np.sort(p_value)
    is_below = ordered <= false_part * np.arange(1, len(ordered) + 1) / len(ordered)
    if not is_below.any():
        return np.zeros(len(p_value), dtype=bool)
    found: NDArray[np.bool_] = p_value <= ordered[np.flatnonzero(is_below)[-1]]
    return found


def _numbered_by_first(grouping: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first, inverse = np.unique(grouping, return_index=True, return_inverse=True)
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[inverse]
