"""A stage before the training: searches for the assignment a chunk of steps at a time.

Shapes: D' active features, G categories.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from catvq.config import RunConfig
from catvq.errors import Interrupted
from catvq.features.rows import RunData
from catvq.grouping.initial import Categories
from catvq.recipe import SEARCH_BATCH_SIZE, SEARCH_STEPS
from catvq.search.mirror_descent import AssignmentSearch, SearchSummary
from catvq.state.checkpoint import Checkpoint
from catvq.state.rng import OwnRandomness

CHUNK_STEPS = 40  # between two comparisons of the restarts, and two checkpoints


class SearchStage:
    """Runs the search a chunk at a time.

    Args:
        config: The run's configuration.
        categories: Where the search starts.
        data: What to learn from.
    """

    def __init__(self, config: RunConfig, categories: Categories, *, data: RunData) -> None:
        self._config = config
        self._categories = categories
        self._data = data
        self._randomness = OwnRandomness(config.training.seed + 1, data.device)
        starts = [] if config.assignment.init == "random" else [categories.grouping]
        with self._randomness.scope():
            self._search = AssignmentSearch(
                categories.allowed.to(data.device),
                starts=starts,
                weights=config.assignment.search_weights(),
                family_one_hot=data.family_one_hot,
                owners=data.owners,
            )

    @property
    def step_count(self) -> int:
        """Completed steps of SEARCH_STEPS."""
        return self._search.step_count

    @property
    def is_done(self) -> bool:
        """Whether no step is left."""
        return self._search.step_count >= SEARCH_STEPS

    @property
    def temperature(self) -> float | None:
        """Temperature of the leading restart; None before the first step."""
        return self._search.temperature if self.step_count > 0 else None

    @property
    def next_temperature(self) -> float:
        """Temperature of the leading restart in the next step."""
        return self._search.temperature

    def hold_temperature(self, temperature: float | None) -> None:
        """Step with this temperature from now on; None lets it follow the assignment's entropy again."""
        self._search.hold_temperature(temperature)

    def soft(self) -> Tensor:
        """Soft assignment of the leading restart, float32 [D', G]."""
        return self._search.soft()

    def advance(self, should_stop: Callable[[], bool]) -> None:
        """Take the next CHUNK_STEPS steps.

        Args:
            should_stop: Asked before every step.

        Raises:
            Interrupted: `should_stop` said so; the stage can be saved here and goes on from this step.
        """
        train = self._data.train
        size = min(SEARCH_BATCH_SIZE, len(train))
        with self._randomness.scope():
            while True:
                if should_stop():
                    raise Interrupted(f"stopped in the search, before step {self.step_count + 1}")
                self._search.step(train[torch.randint(len(train), (size,), device=train.device)])
                if self.step_count % CHUNK_STEPS == 0:
                    break
            self._search.choose(self._data.held_out, is_final=self.is_done)

    def summary(self) -> SearchSummary:
        """How the restarts compare."""
        return self._search.summary()

    def save_into(self, tensors: dict[str, Tensor]) -> None:
        """Add everything a resumed stage needs to `tensors`."""
        self._search.save_into(tensors)
        self._randomness.save_into(tensors)

    def restore_from(self, checkpoint: Checkpoint) -> None:
        """Put back what `save_into` took."""
        self._search.restore_from(checkpoint)
        self._randomness.restore_from(checkpoint)


def needs_search(config: RunConfig, categories: Categories, *, epochs: int) -> bool:
    """Whether the assignment is to be searched for before so many epochs, and some feature has a choice."""
    assignment = config.assignment
    is_wanted = assignment.mode == "learnable" and assignment.resolved_estimator() == "mirror"
    has_choice = bool((categories.allowed.sum(dim=1) > 1).any())
    return is_wanted and has_choice and assignment.freeze_epoch(epochs) > 0
