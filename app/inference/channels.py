"""Series and grids of rows to encode: padded batch by batch, as a model's inputs take them.

Shapes: N rows, B rows of a batch, T the longest of them, C channels, S steps of all rows, H and W of a grid.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

MAX_BATCH_VALUES = (
    1 << 20
)  # padded: 4 MiB of series and grids, and several times as much while they are described


@dataclass(frozen=True)
class ModelFamily:
    """A family of series or grids that a model knows.

    Args:
        descriptors: Names of what is decoded of each channel.
        shape: [H, W] of grids; None of series.
    """

    name: str
    kind: Literal["series", "grid"]
    channels: tuple[str, ...]
    descriptors: tuple[str, ...]
    shape: tuple[int, int] | None

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "ModelFamily":
        """Read what a model says of a family."""
        shape = document["shape"]
        return cls(
            document["family"],
            document["kind"],
            tuple(document["channels"]),
            tuple(document["descriptors"]),
            None if shape is None else (shape[0], shape[1]),
        )


def descriptor_names(family: ModelFamily) -> list[str]:
    """Return a name for each descriptor of each channel."""
    return [
        f"{family.name}/{channel}.{descriptor}"
        for channel in family.channels
        for descriptor in family.descriptors
    ]


@dataclass(frozen=True)
class ChannelValues:
    """The values of one family; NaN is missing.

    Args:
        values: float32 [S, C] of series, [N, C, H, W] of grids.
        offsets: Where each row of series begins and ends, int64 [N + 1]; None of grids.
    """

    values: NDArray[np.float32]
    offsets: NDArray[np.int64] | None = None

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps of each row, int64 [N]; 1 of grids."""
        return np.ones(len(self.values), np.int64) if self.offsets is None else np.diff(self.offsets)

    @property
    def width(self) -> int:
        """Values of one step, or of a grid."""
        return int(np.prod(self.values.shape[1:]))

    @property
    def is_infinite(self) -> NDArray[np.bool_]:
        """Which rows hold an infinite value, bool [N]."""
        return self._any_of_row(np.isinf(self.values))

    @property
    def is_missing(self) -> NDArray[np.bool_]:
        """Which rows miss a value, or are of length 0, bool [N]."""
        return np.asarray(self._any_of_row(np.isnan(self.values)) | (self.lengths == 0))

    def pad(self, name: str, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the inputs of a model for some rows: float32 [B, T, C] and int64 [B], or [B, C, H, W]."""
        if self.offsets is None:
            return {name: np.ascontiguousarray(self.values[rows])}
        lengths = self.lengths[rows]
        steps = np.arange(max(1, int(lengths.max())))
        is_there = steps < lengths[:, np.newaxis]
        padded = np.zeros((*is_there.shape, self.values.shape[1]), np.float32)
        padded[is_there] = self.values[(self.offsets[rows, np.newaxis] + steps)[is_there]]
        return {name: padded, f"{name}.lengths": lengths}

    def _any_of_row(self, marks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        found = np.asarray(marks.any(axis=tuple(range(1, marks.ndim))))
        if self.offsets is None:
            return found
        counts = np.concatenate([[0], np.cumsum(found)])
        return np.asarray(counts[self.offsets[1:]] > counts[self.offsets[:-1]])


def cut_batches(
    families: Mapping[str, ChannelValues], rows: int, *, max_rows: int
) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each batch: rows of similar length together, so that little is padded.

    A batch has at most `max_rows` rows and `MAX_BATCH_VALUES` padded values, or one row.
    """
    sizes = np.stack([family.lengths * family.width for family in families.values()])
    order = np.argsort(sizes.sum(axis=0), kind="stable")
    start, longest = 0, np.zeros(len(sizes), np.int64)
    for place, row in enumerate(order.tolist()):
        grown = np.maximum(longest, sizes[:, row])
        count = place - start + 1
        if count > 1 and (count > max_rows or count * grown.sum() > MAX_BATCH_VALUES):
            yield order[start:place]
            start, grown = place, sizes[:, row]
        longest = grown
    if start < rows:
        yield order[start:]
