"""Chooses the initial grouping for init "auto": by dependence, or by the expected error of the codes.

Letters: D' active features, G categories.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf, ledoit_wolf_shrinkage
from sklearn.metrics import adjusted_rand_score

from catvq.config import RunConfig
from catvq.dependence.available import Presence, standardised
from catvq.dependence.dependence import CLUSTERED
from catvq.grouping.baselines import CANDIDATES, group_within
from catvq.grouping.categories import Categories
from catvq.grouping.moves import improve_grouping
from catvq.grouping.rate_distortion import Matrix, gaussian_error
from catvq.model.sizes import resolve_shape

# Tables with planted separate causes and 1,000 rows or more reach 0.76 to 1, real tables 0.3 to 0.88.
CLEAR_SEPARATION = 0.9
# Least share of the error that moving features must save to replace the grouping by dependence. It saves up
# to 0.06 where planted causes are unclear, 0.1 to 0.5 on real tables.
LEAST_GAIN = 0.07
EFFICIENCY = 0.5  # trained codes have the error of ideal codes with this share of the bits
IMPROVED = 2  # number of candidates, with the lowest errors, that are improved by moving features
ERROR_DIGITS = 9  # errors of candidates that become the same grouping differ by rounding only
MAX_ROWS = 20_000  # at most, for the covariance
LEAST_VARIANCE = 1e-6  # added in every direction, so that the covariance of redundant features is invertible


@dataclass(frozen=True)
class StartReport:
    """How the initial grouping was chosen.

    Attributes:
        chosen: Name of the grouping method.
        separation: Share of the dependence within categories of the grouping by dependence, see
            `spectral.separation`; 0 if it was not computed.
        errors: Expected error of the candidates by name, assuming a Gaussian table; 1 is that of the mean.
            Empty if candidates were not compared.
        improved_error: Lowest error found by moving features; None if candidates were not compared.
        is_improved: Whether the initial grouping is the improved one, not the unchanged one of `chosen`.
        stability: Adjusted Rand index between the two improved candidates; None if candidates were not
            compared.
        is_cut_short: Whether moving features stopped at its limit of work, as on a wide table, or did not
            begin, as on one of more than `CLUSTERED` features, of which not all were clustered; more work
            might have found a lower error.
    """

    chosen: str
    separation: float = 0.0
    errors: dict[str, float] = dataclasses.field(default_factory=dict)
    improved_error: float | None = None
    is_improved: bool = False
    stability: float | None = None
    is_cut_short: bool = False


def choose_start(
    config: RunConfig,
    categories: Categories,
    observed: NDArray[np.float32],
    should_stop: Callable[[], bool] = lambda: False,
    *,
    rows: int | None = None,
) -> tuple[Categories, StartReport]:
    """With init "auto", replace an unclear grouping by dependence by the one with the lowest expected error.

    A grouping by dependence whose separation is at least `CLEAR_SEPARATION` is kept, and so is that of more
    than `CLUSTERED` features, whose covariances would take gigabytes and hours. Otherwise several
    candidates are compared by the expected error of their codes, and the best ones improved by moving
    features; the best is used if it saves at least `LEAST_GAIN` of the error.

    Args:
        config: The run's configuration.
        categories: The initial categories; only the grouping may change.
        observed: float32 [rows, D'], cleaned training rows, NaN where missing.
        should_stop: Polled regularly.
        rows: Number of training rows, where those given are a sample.

    Raises:
        Interrupted: `should_stop` returned true.
    """
    init, separation = config.assignment.resolved_init(), categories.separation
    name = "dependence" if init == "auto" else init
    if len(categories.grouping) > CLUSTERED:
        return categories, StartReport(name, separation, is_cut_short=True)
    has_choice = bool((categories.allowed.sum(dim=1) > 1).any())
    if init != "auto" or not has_choice or separation >= CLEAR_SEPARATION:
        return categories, StartReport(name, separation)
    allowed, seed = categories.allowed.numpy(), config.training.seed
    filled = standardised(observed, Presence.of(observed))
    groupings = {name: categories.grouping} | {
        name: group_within(name, filled, allowed, seed=seed) for name in CANDIDATES
    }
    covariance = feature_covariance(observed, seed=seed)
    bits = telling_bits(config, categories, rows=len(observed) if rows is None else rows)
    errors = {name: gaussian_error(covariance, grouping, bits) for name, grouping in groupings.items()}
    best = sorted(errors, key=errors.__getitem__)[:IMPROVED]
    improved = {
        name: improve_grouping(
            covariance, groupings[name], allowed, bits=bits, seed=seed, should_stop=should_stop
        )
        for name in best
    }
    chosen, other = sorted(best, key=lambda candidate: round(improved[candidate].error, ERROR_DIGITS))
    found = improved[chosen]
    is_improved = found.error <= (1 - LEAST_GAIN) * errors[name]
    report = StartReport(
        chosen if is_improved else name,
        separation,
        errors,
        found.error,
        is_improved=is_improved,
        stability=float(adjusted_rand_score(found.grouping, improved[other].grouping)),
        is_cut_short=any(one.is_cut_short for one in improved.values()),
    )
    return dataclasses.replace(categories, grouping=found.grouping) if is_improved else categories, report


def feature_covariance(values: NDArray[np.float32], *, seed: int) -> Matrix:
    """Covariance of the features, shrunk to be invertible, [D', D'].

    With missing values it is the correlation over the common rows of each pair.

    Args:
        values: Normalised, NaN where missing, float32 [rows, D'].
        seed: Chooses the rows if there are more than 20,000.
    """
    rows = values[np.random.default_rng(seed).permutation(len(values))[:MAX_ROWS]]
    presence = Presence.of(rows)
    covariance: Matrix
    if presence is None:
        covariance = ledoit_wolf(rows.astype(np.float64))[0]
    else:
        columns = standardised(rows, presence)
        shrinkage = ledoit_wolf_shrinkage(columns.astype(np.float64), assume_centered=True)
        covariance = (1 - shrinkage) * presence.correlation(columns) + shrinkage * np.eye(columns.shape[1])
    return covariance + LEAST_VARIANCE * np.eye(len(covariance))


def telling_bits(config: RunConfig, categories: Categories, *, rows: int) -> float:
    """Mean effective bits of a category: `EFFICIENCY` times the bits of its codes."""
    number = len(categories.names)
    shape = resolve_shape(config, grouping=categories.grouping, num_categories=number, rows=rows)
    return EFFICIENCY * float(np.log2(shape.codebook_sizes).sum()) / number
