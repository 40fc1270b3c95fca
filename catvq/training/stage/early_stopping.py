"""Decides whether a run is over before its last epoch: when the validation error falls no more."""

from catvq.config import TrainingSettings
from catvq.training.progress import RunProgress
from catvq.training.stage.trainer import DECAY_FROM

PATIENCE = 0.2  # part of the epochs: none better for so long ends a run whose rate is falling


def is_done_early(
    training: TrainingSettings, progress: RunProgress, error: float | None, *, epochs: int, freeze_epoch: int
) -> bool:
    """Whether no epoch was better for too long, after an epoch whose least error `progress` knows.

    Args:
        training: Says whether to look, and for how long to wait.
        progress: Kept up to date: when the error last fell by enough.
        error: On validation rows after this epoch; None without such rows.
        epochs: Of the whole run.
        freeze_epoch: After which the assignment is hard.
    """
    patience, least, epoch = training.early_stopping_patience, progress.best_error, progress.best_epoch
    if not progress.is_hardened:  # only a given patience ends what would be soft to the end
        is_judged = patience is not None and freeze_epoch >= epochs
        least, epoch = error if is_judged else None, progress.epoch
    if least is None or not training.stops_early:
        return False
    so_far = progress.improved_error
    if so_far is None or least < so_far - training.early_stopping_min_delta:
        progress.improved_error, progress.improved_epoch = least, epoch
    since = progress.improved_epoch or 0
    if patience is not None:
        return progress.epoch >= since + patience
    return progress.epoch >= max(since, DECAY_FROM * epochs) + PATIENCE * epochs
