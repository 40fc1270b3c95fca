"""Settles where the model starts: lets the groupings that may be right compete.

Letters: D' active features, G categories, R candidates.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from sklearn.metrics import adjusted_rand_score

from catvq.config import RunConfig
from catvq.contest import contest
from catvq.grouping_methods import CONTESTANTS, Grouping, group_within
from catvq.run_data import RunData
from catvq.search_stage import SearchStage
from catvq.start import Categories

CLEAR_SEPARATION = 0.9  # planted separate causes reach 0.91 to 1, real tables 0.4 to 0.88


@dataclass(frozen=True)
class StartReport:
    """How the start was chosen.

    Attributes:
        chosen: Name of the grouping that the model starts from.
        separation: How much of the dependence the first grouping keeps within its categories, see
            `affinity.separation`; 0 where it was not looked for.
        errors: Of the candidates, by name, the first one first, see `ContestResult`; empty when there was
            only one, or no doubt.
        stability: Mean adjusted Rand index between the winner and the other candidates, where they ended;
            None without a contest.
    """

    chosen: str
    separation: float
    errors: dict[str, float]
    stability: float | None


def needs_contest(config: RunConfig, categories: Categories) -> bool:
    """Whether several groupings are to compete without a search before: some feature has a choice, and doubt.

    A start that keeps nearly all dependence within its categories has found separate causes: nothing
    competes with it.
    """
    assignment = config.assignment
    is_wanted = assignment.mode == "learnable" and assignment.init == "auto"
    has_choice = bool((categories.allowed.sum(dim=1) > 1).any())
    is_clear = categories.separation >= CLEAR_SEPARATION
    return is_wanted and has_choice and not is_clear and assignment.freeze_epoch(config.training.epochs) > 0


def choose_start(
    config: RunConfig,
    categories: Categories,
    *,
    data: RunData,
    search: SearchStage | None,
    should_stop: Callable[[], bool],
) -> tuple[Categories, StartReport]:
    """Let the start, with init "auto" the usual ways to group, and what a search found compete.

    Args:
        config: The run's configuration.
        categories: As they start; only the grouping may change.
        data: What to learn from, and what judges.
        search: Finished, or to be ended where it is; None where nothing was searched for.
        should_stop: Asked before every step.

    Raises:
        Interrupted: `should_stop` said so; the choice can be made again from the beginning.
    """
    candidates = _candidates(config, categories, data, search)
    first = next(iter(candidates))
    if len(candidates) == 1:
        report = StartReport(first, categories.separation, {}, None)
        return dataclasses.replace(categories, grouping=candidates[first]), report
    result = contest(
        candidates,
        categories.allowed.to(data.device),
        config=config,
        train=data.train,
        held_out=data.held_out,
        should_stop=should_stop,
    )
    report = StartReport(result.winner, categories.separation, result.errors, result.stability)
    return dataclasses.replace(categories, grouping=result.grouping), report


def _candidates(
    config: RunConfig, categories: Categories, data: RunData, search: SearchStage | None
) -> dict[str, Grouping]:
    """Name to grouping, the one to beat first, equal ones once."""
    init = config.assignment.init
    candidates: dict[str, Grouping] = {}
    if init != "random":
        candidates[CONTESTANTS[0] if init == "auto" else init] = categories.grouping
    if init == "auto":
        rows, allowed = data.train.cpu().numpy(), categories.allowed.numpy()
        for name in CONTESTANTS[1:]:
            candidates[name] = group_within(name, rows, allowed, seed=config.training.seed)
    if search is not None:
        candidates["searched"] = search.soft().argmax(dim=1).cpu().numpy()
    return _distinct(candidates)


def _distinct(candidates: dict[str, Grouping]) -> dict[str, Grouping]:
    """Leave out groupings that an earlier one equals but for the order of the categories."""
    kept: dict[str, Grouping] = {}
    for name, grouping in candidates.items():
        if all(adjusted_rand_score(grouping, other) < 1 for other in kept.values()):
            kept[name] = grouping
    return kept
