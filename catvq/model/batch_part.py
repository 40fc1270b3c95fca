"""The rows of a batch that one process computes where several divide it.

Shapes: B rows of the whole batch, P rows of a part.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from catvq.errors import RankLost


@dataclass(frozen=True)
class BatchPart:
    """Some rows of a batch: those from `first` on, before `last`, of `of`.

    The losses of all parts, each times its `share`, add up to that of the batch. What a loss needs of other
    parts comes by `total` and `first_rows`, whose gradients add up in the same way.
    """

    first: int
    last: int
    of: int

    @classmethod
    def of_rank(cls, rank: int, ranks: int, rows: int) -> "BatchPart":
        """The part of one of `ranks` processes, of about as many rows as the others'."""
        return cls(rows * rank // ranks, rows * (rank + 1) // ranks, rows)

    @property
    def share(self) -> float:
        """Of the batch's rows."""
        return (self.last - self.first) / self.of

    def total(self, own: Tensor) -> Tensor:
        """The sum of what all parts have computed; all parts have to ask for it."""
        if self.share == 1:
            return own
        whole = own.detach().clone(memory_format=torch.contiguous_format)
        with telling_of_lost_ranks():
            dist.all_reduce(whole)
        own = own / self.share
        return whole + (own - own.detach())

    def first_rows(self, own: Tensor, number: int) -> Tensor:
        """The first rows of the batch, [P, N] -> [number, N]; all parts have to ask for them."""
        before = min(self.first, number)
        own = own[: number - before]
        return self.total(F.pad(own, (0, 0, before, number - before - len(own))))


def dropout(hidden: Tensor, probability: float, part: BatchPart | None) -> Tensor:
    """Drop of a part's rows, [..., P, N], what dropout of the whole batch would drop there."""
    if probability == 0 or part is None or part.share == 1:
        return F.dropout(hidden, probability)
    whole = hidden.new_ones(*hidden.shape[:-2], part.of, hidden.shape[-1])
    return hidden * F.dropout(whole, probability)[..., part.first : part.last, :]


@contextmanager
def telling_of_lost_ranks() -> Iterator[None]:
    """Say what it means that other processes do not answer.

    Raises:
        RankLost: They do not.
    """
    try:
        yield
    except RuntimeError as error:
        raise RankLost(f"a process that computes a part of each step was lost: {error}") from error
