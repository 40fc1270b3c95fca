"""Merges surplus categories while the assignment is soft, cheapest pair first.

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
    """A merge of two categories.

    Attributes:
        category: Name of the removed category.
        into: Name of the remaining category, which had at least as many features.
        epoch: Number of completed epochs.
    """

    category: str
    into: str
    epoch: int


def joins_due(epoch: int, *, surplus: int, freeze_epoch: int) -> int:
    """Number of categories to be merged by an epoch: at equal intervals, all before the freeze."""
    return min(surplus, (surplus + 1) * epoch // max(freeze_epoch, 1))


@torch.no_grad()
def join_cheapest(
    assignment: CategoryAssignment, covariance: Matrix, *, bits_per_feature: float
) -> tuple[int, int]:
    """Merge the two categories whose union has the lowest expected error, see `rate_distortion`.

    Args:
        assignment: Changed in place; at least two of its categories are allowed for some feature.
        covariance: Covariance of the features, positive definite, [D', D'].
        bits_per_feature: Bits per feature and row.

    Returns:
        The removed category, and the remaining one, which had at least as many features.
    """
    grouping = assignment.grouping().cpu().numpy()
    is_open = assignment.allowed.any(dim=0).cpu().numpy()
    pair = cheapest_union(covariance, grouping, np.flatnonzero(is_open), bits_per_feature=bits_per_feature)
    gone, into = sorted(pair, key=lambda category: int((grouping == category).sum()))
    assignment.join(gone, into)
    return gone, into
