"""Divides rows into batches whose series and grids take bounded memory, as a frozen model takes them.

Shapes: N rows, B rows of a batch, D tabular features.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from catvq.descriptors.describe import Describer
from catvq.descriptors.family import ChannelFamily
from catvq.features.precision import Values
from catvq.features.sequences import Sequences

BATCH_CELLS = 2**18  # values of a batch, with what pads series to one length
WINDOW_ROWS = 8192  # rows that follow one another, among which series of like length are put together


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows as a frozen model takes them.

    Attributes:
        places: Their numbers, int64 [B].
        inputs: By name: `rows` [B, D] unless D is 0, and those of each family.
    """

    places: NDArray[np.int64]
    inputs: dict[str, NDArray[Any]]


def batches(values: Values, others: Mapping[str, Sequences], most_rows: int) -> Iterator[Batch]:
    """Yield each row in one batch; those of a table without other families in their order.

    Args:
        values: Of the tabular features, [N, D].
        others: The other families.
        most_rows: Of a batch.
    """
    cells = np.array([other.cells for other in others.values()], dtype=np.int64).reshape(
        len(others), len(values)
    )
    for start in range(0, len(values), WINDOW_ROWS):
        own = cells[:, start : start + WINDOW_ROWS]
        order = start + np.argsort(own.sum(axis=0), kind="stable")
        while len(order):
            part = order[:most_rows]
            padded = np.maximum.accumulate(cells[:, part], axis=1).sum(axis=0) * np.arange(1, len(part) + 1)
            places = part[: max(1, int(np.searchsorted(padded, BATCH_CELLS, side="right")))]
            inputs: dict[str, NDArray[Any]] = {"rows": values[places]} if values.shape[1] else {}
            for family, other in others.items():
                inputs |= other.inputs(family, places)
            yield Batch(places, inputs)
            order = order[len(places) :]


def describe(family: ChannelFamily, other: Sequences, into: Values) -> None:
    """Compute the descriptors of all channels of a family, in bounded memory.

    Args:
        family: The family.
        other: Its values, of N rows.
        into: Takes them, [N, channels * descriptors].
    """
    describer = Describer(family, threads=torch.get_num_threads())
    nothing = np.empty((other.num_rows, 0), dtype=np.float32)
    for batch in batches(nothing, {family.name: other}, WINDOW_ROWS):
        into[batch.places] = describer.describe(batch.inputs).reshape(len(batch.places), -1)
