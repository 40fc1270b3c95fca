"""Search stage of a run: searches for the assignment in chunks of steps, before the training.

Shapes: D' active features, G categories.
"""

from collections.abc import Callable

from torch import Tensor

from catvq.config import RunConfig
from catvq.errors import Interrupted
from catvq.features.row_weights import draw_rows
from catvq.features.rows import RunData
from catvq.grouping.categories import Categories
from catvq.recipe import SEARCH_BATCH_SIZE, SEARCH_STEPS
from catvq.search.mirror_descent import AssignmentSearch, SearchSummary
from catvq.state.checkpoint import Checkpoint
from catvq.state.rng import OwnRandomness

CHUNK_STEPS = 40  # the restarts are compared, and a checkpoint can be saved, after every chunk


class SearchStage:
    """Runs the search in chunks of steps.

    Args:
        config: The run's configuration.
        categories: The categories, with their initial grouping.
        data: The training and held-out rows.
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
                leader=data.leader,
            )

    @property
    def step_count(self) -> int:
        """Number of completed steps, at most SEARCH_STEPS."""
        return self._search.step_count

    @property
    def is_done(self) -> bool:
        """Whether all steps are completed."""
        return self._search.step_count >= SEARCH_STEPS

    @property
    def temperature(self) -> float | None:
        """Temperature of the winning restart; None before the first step."""
        return self._search.temperature if self.step_count > 0 else None

    @property
    def next_temperature(self) -> float:
        """Temperature of the winning restart in the next step."""
        return self._search.temperature

    def hold_temperature(self, temperature: float | None) -> None:
        """Use this temperature from now on; None returns to that given by the entropy schedule."""
        self._search.hold_temperature(temperature)

    def soft(self) -> Tensor:
        """Soft assignment of the winning restart, float32 [D', G]."""
        return self._search.soft()

    def advance(self, should_stop: Callable[[], bool]) -> None:
        """Take the next CHUNK_STEPS steps.

        Args:
            should_stop: Called before every step.

        Raises:
            Interrupted: `should_stop` returned true; the stage can be saved here and resumed at this step.
        """
        data, rows = self._data, self._data.train_rows
        size = min(SEARCH_BATCH_SIZE, len(rows))
        with self._randomness.scope():
            while True:
                if should_stop():
                    raise Interrupted(f"stopped in the search, before step {self.step_count + 1}")
                places = draw_rows(len(rows), size, data.train_weights).to(data.device)
                self._search.step(data.features[rows[places]], data.train_cells(places))
                if self.step_count % CHUNK_STEPS == 0:
                    break
            cells = data.cells(data.held_out_rows)
            self._search.choose(data.held_out, cells, is_final=self.is_done)

    def summary(self) -> SearchSummary:
        """Return the comparison of the restarts."""
        return self._search.summary()

    def save_into(self, tensors: dict[str, Tensor]) -> None:
        """Add the state of the stage to `tensors`."""
        self._search.save_into(tensors)
        self._randomness.save_into(tensors)

    def restore_from(self, checkpoint: Checkpoint) -> None:
        """Restore the state that `save_into` saved."""
        self._search.restore_from(checkpoint)
        self._randomness.restore_from(checkpoint)


def needs_search(config: RunConfig, categories: Categories, *, epochs: int) -> bool:
    """Whether the configuration asks for a search, and some feature may join several categories."""
    assignment = config.assignment
    is_wanted = assignment.mode == "learnable" and assignment.resolved_estimator() == "mirror"
    has_choice = bool((categories.allowed.sum(dim=1) > 1).any())
    return is_wanted and has_choice and assignment.freeze_epoch(epochs) > 0
