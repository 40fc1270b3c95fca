"""Chooses the grouping that a run starts from by itself: what dependence separates, or what codes carry best.

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
from catvq.features.available import Presence, standardised
from catvq.grouping.baselines import CANDIDATES, group_within
from catvq.grouping.initial import Categories
from catvq.grouping.moves import improve_grouping
from catvq.grouping.rate_distortion import Matrix, gaussian_error
from catvq.model.sizes import resolve_shape

# Planted separate causes reach 0.76 to 1 with a thousand rows or more, real tables 0.3 to 0.88.
CLEAR_SEPARATION = 0.9
# Part of the error that moving features must save before dependence yields: it saves up to 0.06 where planted
# causes are unclear, 0.1 to 0.5 on real tables.
LEAST_GAIN = 0.07
BITS_THAT_TELL = 0.5  # of those that a code could carry: trained codes err like ideal ones of half the bits
IMPROVED = 2  # of the candidates, those with the lowest errors
ERROR_DIGITS = 9  # candidates that moving features makes the same grouping differ by rounding only
MAX_ROWS = 20_000  # most rows that the covariance is taken from
LEAST_VARIANCE = 1e-6  # of any direction, so that features which determine each other have an inverse


@dataclass(frozen=True)
class StartReport:
    """Where the assignment starts, and why there.

    Attributes:
        chosen: Name of the way to group that the start comes from.
        separation: How much of the dependence the grouping by dependence keeps within its categories, see
            `affinity.separation`; 0 where it was not looked for.
        errors: Expected error of the candidates, by name, were the table Gaussian; 1 is as good as the mean.
            Empty where there was no doubt.
        improved_error: The least that was found by moving features; None where there was no doubt.
        is_improved: Whether the start is where that was found, and not `chosen` as it was.
        stability: Adjusted Rand index between what the best two candidates became by moving features; None
            where there was no doubt.
        is_cut_short: Whether moving features ended because it had done as much work as it may, as on a wide
            table, where more of it might have found a lower error.
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
) -> tuple[Categories, StartReport]:
    """With init "auto", look for the grouping that the job's codes can describe best, unless one is clear.

    A grouping by dependence that keeps nearly all of it within categories has found separate causes, and
    stays. Otherwise what a few bits can carry decides, if it makes a difference.

    Args:
        config: The run's configuration.
        categories: As they start; only the grouping may change.
        observed: float32 [rows, D'], cleaned training rows, NaN where missing.
        should_stop: Asked again and again.

    Raises:
        Interrupted: `should_stop` said so.
    """
    init, separation = config.assignment.resolved_init(), categories.separation
    name = "dependence" if init == "auto" else init
    has_choice = bool((categories.allowed.sum(dim=1) > 1).any())
    if init != "auto" or not has_choice or separation >= CLEAR_SEPARATION:
        return categories, StartReport(name, separation)
    allowed, seed = categories.allowed.numpy(), config.training.seed
    filled = standardised(observed, Presence.of(observed))
    groupings = {name: categories.grouping} | {
        name: group_within(name, filled, allowed, seed=seed) for name in CANDIDATES
    }
    covariance = feature_covariance(observed, seed=seed)
    bits = telling_bits(config, categories, rows=len(observed))
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
    """Covariance of the features, shrunk so that it has an inverse, [D', D'].

    Where values are missing it is their correlation, over the rows that two features have in common.

    Args:
        values: Normalised, NaN where missing, float32 [rows, D'].
        seed: Chooses the rows when there are more than 20,000.
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
    """Bits of a category that tell something, the mean over the categories."""
    number = len(categories.names)
    shape = resolve_shape(config, grouping=categories.grouping, num_categories=number, rows=rows)
    return BITS_THAT_TELL * float(np.log2(shape.codebook_sizes).sum()) / number
