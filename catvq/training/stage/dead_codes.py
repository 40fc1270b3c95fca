"""Revives dead codes: those that a model has not used for some epochs are moved to where rows are.

Shapes: S streams, C columns.
"""

import torch
from torch import Tensor

from catvq.config import TrainingSettings
from catvq.features.rows import RunData
from catvq.training.stage.trainer import Learner

SAMPLE_ROWS = 256  # rows whose latents revive codes
REVIVE_UNTIL = 0.9  # part of the run: later there is no time left to learn what a moved code means


class Reviver:
    """Moves dead codes at equal intervals.

    Args:
        training: Says how often.
        data: What the run learns from.
        epochs: Of the whole run.
    """

    def __init__(self, training: TrainingSettings, data: RunData, *, epochs: int) -> None:
        self._interval = training.dead_code_interval_epochs
        self._data = data
        self._last = REVIVE_UNTIL * epochs

    def is_due(self, epoch: int) -> bool:
        """Whether it is time to, after so many epochs."""
        return epoch % self._interval == 0 and epoch < self._last

    def revive(self, learner: Learner) -> Tensor:
        """Move a learner's dead codes; returns their number in each stream, int64 [S]."""
        with learner.randomness.scope():
            return learner.revive_dead_codes(self._sample())

    def _sample(self) -> Tensor:
        """Some training rows, float32 [at most SAMPLE_ROWS, C]."""
        rows = self._data.train_rows
        return self._data.features[rows[torch.randperm(len(rows))[:SAMPLE_ROWS].to(rows.device)]]
