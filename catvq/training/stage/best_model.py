"""Keeps the model with the least error on validation rows.

Shapes: N rows, C columns.
"""

from torch import Tensor

from catvq.features.rows import RunData
from catvq.model.vqvae import CategoricalVQVAE
from catvq.state.checkpoint import Checkpoint
from catvq.training.progress import RunProgress
from catvq.training.stage.trainer import Learner

JUDGE_ROWS = 1024  # most validation rows that choose between starts and epochs


class BestModel:
    """The state with the least error on validation rows so far, of models in one hard grouping.

    Args:
        data: Whose validation rows judge; without any, nothing is kept.
        progress: Kept up to date: the least error, and its epoch.
    """

    def __init__(self, data: RunData, progress: RunProgress) -> None:
        self._data = data
        self._progress = progress
        self._state: dict[str, Tensor] = {}

    def judge(self, learner: Learner, model: CategoricalVQVAE | None = None) -> float | None:
        """Error of a learner's model, or of one in its place, on validation rows; None without such rows."""
        if not self._data.has_validation:
            return None
        rows = self._data.held_out_rows[:JUDGE_ROWS]
        return learner.reconstruction_error(self._data.features[rows], self._data.cells(rows), model=model)

    def offer(self, learner: Learner, model: CategoricalVQVAE | None = None) -> float | None:
        """Keep that model if it is the best so far; returns its error, see `judge`."""
        error, least = self.judge(learner, model), self._progress.best_error
        if error is not None and (least is None or error < least):
            self._progress.best_error, self._progress.best_epoch = error, self._progress.epoch
            state = (learner.model if model is None else model).state_dict()
            self._state = {name: value.clone() for name, value in state.items()}
        return error

    def forget(self) -> None:
        """Begin anew, in another grouping."""
        self._progress.best_error = self._progress.best_epoch = None
        self._progress.improved_error = self._progress.improved_epoch = None
        self._state = {}

    def hand_to(self, learner: Learner) -> None:
        """Let a learner go on from the best state, where there is one."""
        if self._state:
            learner.adopt(self._state)

    def save_into(self, tensors: dict[str, Tensor]) -> None:
        """Add the best state to `tensors`."""
        tensors |= {f"best.{name}": value for name, value in self._state.items()}

    def restore_from(self, checkpoint: Checkpoint) -> None:
        """Put back what `save_into` took."""
        best = checkpoint.section("best")
        self._state = {name: value.to(self._data.device) for name, value in best.items()}
