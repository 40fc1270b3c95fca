"""Local search: moves features between categories to lower the expected error of Gaussian codes.

The codes of all categories carry few components, so the error after a move is computed from those instead of
from all features. Letters: D features, G categories, k components of a code, K components of all codes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from catvq.errors import Interrupted
from catvq.grouping.baselines import Grouping
from catvq.grouping.rate_distortion import GaussianCode, Matrix, gaussian_error, gram

# Limit of work of one search, in multiplications or their equivalent, checked after every move. Work is
# counted rather than timed, so that runs are reproducible. About 10 s of one core; 150 features in 10
# categories need half of it.
MAX_WORK = 1.1e11
TRIAL_WORK = 3e6  # fixed cost of a trial: its calls
EIGENVECTOR_WORK = 20  # times the cube of a matrix's size
# A feature is tried in every category if a round then has at most this many trials; else only in the
# categories whose codes explain most of it, but at least four.
TRIALS_PER_ROUND = 10_000
LEAST_TARGETS = 4
LEAST_FALL = 1e-9  # relative; smaller changes of the error are rounding
# Relative. Running until nothing changes, with four exchanges per feature, saved 0.1 to 0.8% more on digits
# in four times the time; two trainings of one grouping differ by more.
LEAST_FALL_OF_ROUND = 1e-3
EXCHANGES_PER_FEATURE = 1  # random exchanges tried in each round


@dataclass(frozen=True)
class Improvement:
    """Result of `improve_grouping`.

    Attributes:
        grouping: int64 [D]; no category is emptied.
        error: Its `gaussian_error`.
        is_cut_short: Whether the search stopped at its limit of work, before the error stopped falling.
    """

    grouping: Grouping
    error: float
    is_cut_short: bool


def improve_grouping(
    covariance: Matrix,
    grouping: Grouping,
    allowed: NDArray[np.bool_],
    *,
    bits: float,
    seed: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> Improvement:
    """Move and exchange features between categories as long as a round lowers the Gaussian error enough.

    Args:
        covariance: Covariance of the features, positive definite, [D, D].
        grouping: Initial grouping, int64 [D].
        allowed: Which categories each feature may join, [D, G].
        bits: Bits of each category and row.
        seed: Seed of the order in which features are tried.
        should_stop: Called before every move.

    Raises:
        Interrupted: `should_stop` returned true.
    """
    search = _Search(covariance, grouping, allowed, lambda _: bits)
    rng = np.random.default_rng(seed)
    before, is_cut_short = np.inf, False
    while search.error < (1 - LEAST_FALL_OF_ROUND) * before and not is_cut_short:
        before = search.error
        for move in _round(search, rng):
            if should_stop():
                raise Interrupted("stopped during the search for the initial grouping")
            is_cut_short = search.work > MAX_WORK
            if is_cut_short:
                break
            move()
    return Improvement(search.grouping, gaussian_error(covariance, search.grouping, bits), is_cut_short)


def cheapest_union(
    covariance: Matrix, grouping: Grouping, categories: NDArray[np.int64], *, bits_per_feature: float
) -> tuple[int, int]:
    """Return the two categories whose union has the lowest Gaussian error.

    A category's bits are proportional to its features: with equal bits the smallest categories would always
    be merged. An empty category is merged before all others.

    Args:
        covariance: Covariance of the features, positive definite, [D, D].
        grouping: int64 [D].
        categories: Categories to choose from, at least two; they may be empty.
        bits_per_feature: Bits per feature and row; a union has the bits of both categories.
    """
    is_empty = ~np.isin(categories, grouping)
    if is_empty.any():
        return int(categories[is_empty][0]), int(categories[~is_empty][0])
    allowed = np.ones((len(grouping), categories.max() + 1), dtype=bool)
    search = _Search(covariance, grouping, allowed, lambda features: features * bits_per_feature)
    return min(combinations(categories.tolist(), 2), key=lambda pair: search.error_of_union(*pair))


def _round(search: "_Search", rng: np.random.Generator) -> Iterator[Callable[[], None]]:
    """Yield one round of trials: moves of every feature in random order, then random exchanges."""
    count = len(search.grouping)
    for feature in rng.permutation(count):
        yield partial(search.try_moves, int(feature))
    for first, second in rng.integers(count, size=(EXCHANGES_PER_FEATURE * count, 2)):
        yield partial(search.try_exchange, int(first), int(second))


class _Search:
    """State of the local search: a grouping, the codes of its categories, and the decoder's error.

    With F the loadings of all codes [D, K] and S the covariance, the remaining covariance of the features is
    S - S F (I + F' S F)^-1 F' S. `bits_of` gives the bits of a category from its number of features.
    """

    def __init__(
        self,
        covariance: Matrix,
        grouping: Grouping,
        allowed: NDArray[np.bool_],
        bits_of: Callable[[int], float],
    ) -> None:
        self.grouping = grouping.copy()
        self.work = 0.0
        self._covariance = covariance
        self._squared = covariance @ covariance
        self._allowed = allowed
        self._bits_of = bits_of
        self._num_targets = max(LEAST_TARGETS, TRIALS_PER_ROUND // len(grouping))
        self._codes: dict[int, GaussianCode] = {}
        self._seen: dict[int, Matrix] = {}
        self._seen_squared: dict[int, Matrix] = {}
        self._make({g: self._code_of(np.flatnonzero(grouping == g)) for g in range(allowed.shape[1])})

    def try_moves(self, feature: int) -> None:
        """Move a feature to the category that lowers the error most, if any does."""
        home = int(self.grouping[feature])
        members = self._codes[home].members
        rest = members[members != feature]
        if len(rest) == 0:
            return
        left = self._code_of(rest)
        changes = [
            {home: left, target: self._code_of(np.append(self._codes[target].members, feature))}
            for target in self._targets(feature, home)
        ]
        self._make_best(changes)

    def try_exchange(self, first: int, second: int) -> None:
        """Exchange the categories of two features if that lowers the error."""
        a, b = int(self.grouping[first]), int(self.grouping[second])
        if a == b or not (self._allowed[first, b] and self._allowed[second, a]):
            return
        of_a, of_b = self._codes[a].members, self._codes[b].members
        self._make_best(
            [
                {
                    a: self._code_of(np.where(of_a == first, second, of_a)),
                    b: self._code_of(np.where(of_b == second, first, of_b)),
                }
            ]
        )

    def error_of_union(self, one: int, other: int) -> float:
        """Summed error of all features after a merge of two categories."""
        joined = np.concatenate([self._codes[one].members, self._codes[other].members])
        nothing = self._code_of(joined[:0])
        return self._error_after({one: self._code_of(joined), other: nothing})

    def _code_of(self, members: Grouping) -> GaussianCode:
        self.work += EIGENVECTOR_WORK * len(members) ** 3
        return GaussianCode.of(self._covariance, members, self._bits_of(len(members)))

    def _targets(self, feature: int, home: int) -> list[int]:
        """Other categories that a feature may join; of many, those whose codes explain most of it."""
        targets = np.flatnonzero(self._allowed[feature])
        targets = targets[targets != home]
        if len(targets) > self._num_targets:
            # A code's block of the system is diagonal: its components are principal components.
            shares = np.square(self._all_seen[feature]) / np.diag(self._system)
            share = np.bincount(self._category, shares, minlength=self._allowed.shape[1])[targets]
            targets = np.sort(targets[np.argsort(-share, kind="stable")[: self._num_targets]])
        return [int(target) for target in targets]

    def _make_best(self, changes: list[dict[int, GaussianCode]]) -> None:
        errors = [self._error_after(change) for change in changes]
        if errors and min(errors) <= (1 - LEAST_FALL) * self.error:
            self._make(changes[int(np.argmin(errors))])

    def _make(self, change: Mapping[int, GaussianCode]) -> None:
        """Replace the codes of some categories, and update the combined system of all codes."""
        self._codes |= change
        for category, code in change.items():
            self.grouping[code.members] = category
            self._seen[category] = code.cross_covariance(self._covariance)
            self._seen_squared[category] = code.cross_covariance(self._squared)
        codes = [self._codes[category] for category in self._seen]
        self._category = np.repeat(list(self._seen), [code.loadings.shape[1] for code in codes])
        self._all_seen = np.concatenate(list(self._seen.values()), axis=1)
        self._all_seen_squared = np.concatenate(list(self._seen_squared.values()), axis=1)
        self._system = np.eye(len(self._category)) + gram(codes, self._all_seen)
        self._inverse: Matrix = np.asarray(np.linalg.inv(self._system), dtype=np.float64)
        self._products = gram(codes, self._all_seen_squared)
        self.error = float(np.trace(self._covariance) - np.sum(self._inverse * self._products))
        self.work += 3 * len(self._category) ** 3 + 100 * len(self.grouping) * len(self._category)

    def _error_after(self, change: Mapping[int, GaussianCode]) -> float:
        """Summed error of all features if the codes of some categories were replaced.

        With Z the loadings of the old codes (removed: sign -1) and of the new ones, and R the remaining
        covariance, it falls by the trace of (sign + Z' R Z)^-1 Z' R^2 Z.
        Source: Woodbury 1950.
        """
        members = np.concatenate([code.members for code in change.values()])
        loadings = _side_by_side([code.loadings for code in change.values()])
        is_changed = np.zeros(self._allowed.shape[1], dtype=bool)
        is_changed[list(change)] = True
        old = np.flatnonzero(is_changed[self._category])
        with_all = self._all_seen[members].T @ loadings  # F' S Z of the new codes, and below F' S^2 Z
        with_all_squared = self._all_seen_squared[members].T @ loadings
        own = np.ix_(members, members)
        known = self._inverse @ with_all
        rest = with_all_squared - self._products @ known
        from_old = self._inverse[old]
        remaining = (
            np.eye(loadings.shape[1]) + loadings.T @ self._covariance[own] @ loadings - with_all.T @ known
        )
        squared = loadings.T @ self._squared[own] @ loadings - known.T @ with_all_squared - rest.T @ known
        across = from_old @ rest
        system = _joined(-from_old[:, old], known[old], remaining)
        products = _joined(from_old @ self._products @ from_old.T, across, squared)
        self.work += TRIAL_WORK + 4 * len(known) ** 2 * len(system) + 3 * len(members) ** 2 * len(system)
        return self.error - float(np.trace(np.linalg.solve(system, products)))


def _joined(first: Matrix, across: Matrix, second: Matrix) -> Matrix:
    """Return the symmetric matrix with two diagonal blocks and the block between them."""
    middle = len(first)
    joined = np.empty((middle + len(second),) * 2)
    joined[:middle, :middle] = first
    joined[:middle, middle:] = across
    joined[middle:, :middle] = across.T
    joined[middle:, middle:] = second
    return joined


def _side_by_side(blocks: list[Matrix]) -> Matrix:
    """Return a block-diagonal matrix."""
    joined = np.zeros((sum(len(block) for block in blocks), sum(block.shape[1] for block in blocks)))
    row = column = 0
    for block in blocks:
        joined[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return joined
