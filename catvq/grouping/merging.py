"""Joins surplus categories while the assignment is soft, each time the two that are best described together.

Letters: D' active features, G categories.
"""

from dataclasses import dataclass

import numpy as np
import torch

from catvq.grouping.moves import cheapest_union
from catvq.grouping.rate_distortion import Matrix
from catvq.model.assignment import CategoryAssignment


@dataclass(frozen=True)
class Join:
    """A category that became part of another.

    Attributes:
        category: Name of the one that is gone.
        into: Name of the other, which had as many features or more.
        epoch: Completed epochs at that moment.
    """

    category: str
    into: str
    epoch: int


def joins_due(epoch: int, *, surplus: int, freeze_epoch: int) -> int:
    """How many categories are to be gone after so many epochs: at equal intervals, all before the freeze."""
    return min(surplus, (surplus + 1) * epoch // max(freeze_epoch, 1))


@torch.no_grad()
def join_cheapest(
    assignment: CategoryAssignment, covariance: Matrix, *, bits_per_feature: float
) -> tuple[int, int]:
    """Join the two categories whose union has the least expected error, see `rate_distortion`.

    Args:
        assignment: Changed in place; at least two of its categories are open.
        covariance: Of the features, positive definite, [D', D'].
        bits_per_feature: Of each row.

    Returns:
        The category that is gone, and the one with at least as many features that it became part of.
    """
    grouping = assignment.grouping().cpu().numpy()
    is_open = assignment.allowed.any(dim=0).cpu().numpy()
    pair = cheapest_union(covariance, grouping, np.flatnonzero(is_open), bits_per_feature=bits_per_feature)
    gone, into = sorted(pair, key=lambda category: int((grouping == category).sum()))
    assignment.join(gone, into)
    return gone, into
