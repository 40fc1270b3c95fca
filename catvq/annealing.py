"""Brings the assignment to where it should be before every step: by a schedule, or by the search.

Shapes: B rows, D' active features, G categories, F families.
"""

import math

import torch
from torch import Tensor

from catvq.assignment import CategoryAssignment
from catvq.checkpoint import Checkpoint
from catvq.config import TEMPERATURE_END, TEMPERATURE_SCHEDULE, TEMPERATURE_START, RunConfig
from catvq.search import SEARCH_BATCH_SIZE, SEARCH_STEPS, AssignmentSearch, SearchSummary
from catvq.start import Categories
from catvq.temperature import TemperatureSchedule


class Annealer:
    """Sharpens an assignment from the first step to the one at which it is hardened.

    Args:
        assignment: The assignment to bring along; the search writes into it, a schedule sets its
            temperature and leaves the logits to their optimiser.
        config: The run's configuration.
        categories: Where the assignment starts.
        family_one_hot: float32 [D', F], on the assignment's device.
        steps_per_epoch: Optimiser steps of one epoch.
    """

    def __init__(
        self,
        assignment: CategoryAssignment,
        *,
        config: RunConfig,
        categories: Categories,
        family_one_hot: Tensor,
        steps_per_epoch: int,
    ) -> None:
        self._assignment = assignment
        self._per_epoch = config.assignment.temperature_update == "epoch"
        self._epochs = config.assignment.freeze_epoch(config.training.epochs)
        self._steps_per_epoch = steps_per_epoch
        self._schedule = temperature_schedule(config)
        self._search = _build_search(config, categories, family_one_hot)

    def advance(self, features: Tensor, rows: Tensor, *, epoch: int, step: int) -> None:
        """Bring the assignment to the present step.

        Args:
            features: float32 [N, D'], of all rows.
            rows: int64, the training rows.
            epoch: Completed epochs.
            step: Completed steps of the whole run.
        """
        steps = self._epochs * self._steps_per_epoch
        if self._search is not None:
            while self._search.step_count < math.ceil(SEARCH_STEPS * (step + 1) / steps):
                size = min(SEARCH_BATCH_SIZE, len(rows))
                picks = torch.randint(len(rows), (size,), device=rows.device)
                self._search.step(features[rows[picks]])
            self._search.publish(self._assignment)
        elif self._schedule is not None:
            position, last = (epoch, self._epochs) if self._per_epoch else (step, steps)
            self._assignment.set_temperature(self._schedule.at(min(1.0, position / max(last - 1, 1))))

    def compare(self, features: Tensor, *, is_final: bool = False) -> None:
        """Let the best restart lead, judged on held-out rows, float32 [B, D']; thoroughly when final."""
        if self._search is not None:
            self._search.choose(features, is_final=is_final)
            self._search.publish(self._assignment)

    def summary(self) -> SearchSummary | None:
        """How the restarts compare; None without a search or before its first comparison."""
        return None if self._search is None else self._search.summary()

    def save_into(self, tensors: dict[str, Tensor]) -> None:
        """Add what a resumed annealer needs to `tensors`."""
        if self._search is not None:
            self._search.save_into(tensors)

    def restore_from(self, checkpoint: Checkpoint) -> None:
        """Put back what `save_into` took."""
        if self._search is not None:
            self._search.restore_from(checkpoint)


def temperature_schedule(config: RunConfig) -> TemperatureSchedule | None:
    """The schedule of the temperature; None where the search solves it."""
    assignment = config.assignment
    if assignment.resolved_estimator() == "mirror":
        return None
    schedule = assignment.temperature_schedule
    start, end = assignment.temperature_start, assignment.temperature_end
    return TemperatureSchedule(
        TEMPERATURE_SCHEDULE if schedule is None or schedule == "adaptive" else schedule,
        TEMPERATURE_START if start is None else start,
        TEMPERATURE_END if end is None else end,
    )


def _build_search(
    config: RunConfig, categories: Categories, family_one_hot: Tensor
) -> AssignmentSearch | None:
    """Build the search; None where another estimator was chosen or no feature has a choice."""
    assignment = config.assignment
    has_choice = bool((categories.allowed.sum(dim=1) > 1).any())
    if assignment.mode == "static" or assignment.resolved_estimator() != "mirror" or not has_choice:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed + 1)
        return AssignmentSearch(
            categories.allowed.to(family_one_hot.device),
            starts=[] if assignment.init == "random" else [categories.grouping],
            weights=assignment.own_weights(),
            family_one_hot=family_one_hot,
        )
