"""Which of model and assignment learns in an epoch, as long as the assignment is not hard."""

from enum import Enum, auto

from catvq.config import StageOrder

MODEL_ALONE = 0.2  # of the epochs before the assignment is hard: codes then mean something and time is left


class Learning(Enum):
    """What the steps of an epoch move."""

    BOTH = auto()
    MODEL = auto()
    ASSIGNMENT = auto()


def learning_in(order: StageOrder, epoch: int, *, freeze_epoch: int) -> Learning:
    """What moves in an epoch while the assignment is soft.

    Args:
        order: "model_first" leaves the assignment where it starts in the first epochs, at least in one;
            "in_turn" moves the model in the first epoch, the assignment in the second, and so on.
        epoch: Completed epochs.
        freeze_epoch: Completed epochs when the assignment is to be hard.
    """
    match order:
        case "together":
            return Learning.BOTH
        case "model_first":
            return Learning.MODEL if epoch < MODEL_ALONE * freeze_epoch else Learning.BOTH
        case "in_turn":
            return Learning.MODEL if epoch % 2 == 0 else Learning.ASSIGNMENT
