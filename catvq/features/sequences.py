"""Values of families whose features are channels: series of any length, and grids.

Shapes: N rows, B rows of a batch, C channels, T length of a row's series, H x W a grid.
"""

from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from catvq.descriptors.family import lengths_name
from catvq.errors import ConfigError, ShapeError


@dataclass(frozen=True, eq=False)
class Series:
    """One family of series: all channels of a row have its length, each row a length of its own.

    Args:
        values: float32, the steps of all rows one after another, [steps, C]; NaN where missing; may be
            memory-mapped.
        starts: int64 [N]; row n is `values[starts[n]:starts[n] + lengths[n]]`, all missing at length 0.
        lengths: T of each row, int64 [N].
        channels: Which of the C channels are meant; all when not given.

    Raises:
        ShapeError: The values are no matrix, or a row is not within it.
        ConfigError: The values are not float32.
    """

    values: NDArray[np.float32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    channels: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        _check_values(self.values, 2)
        ends = self.starts + self.lengths
        if (self.lengths < 0).any() or (self.starts < 0).any() or (ends > len(self.values)).any():
            raise ShapeError(f"rows must lie within the {len(self.values)} steps of the values")

    @classmethod
    def divide(cls, values: NDArray[np.float32], offsets: NDArray[np.int64]) -> "Series":
        """Rows that follow one another: row n is `values[offsets[n]:offsets[n + 1]]`.

        Args:
            values: float32 [steps, C].
            offsets: int64 [N + 1], from 0 to the number of steps.

        Raises:
            ShapeError: The offsets do not divide the values.
        """
        is_row = offsets.ndim == 1 and len(offsets) > 0
        if not is_row or offsets[0] != 0 or offsets[-1] != len(values) or (np.diff(offsets) < 0).any():
            raise ShapeError(f"offsets must rise from 0 to the number of steps, {len(values)}")
        return cls(values, offsets[:-1], np.diff(offsets))

    @property
    def num_rows(self) -> int:
        """N."""
        return len(self.lengths)

    @property
    def num_channels(self) -> int:
        """How many channels are meant."""
        return int(self.values.shape[1]) if self.channels is None else len(self.channels)

    @property
    def shape(self) -> None:
        """Series have none."""

    @property
    def cells(self) -> NDArray[np.int64]:
        """Values of each row, int64 [N]."""
        return self.lengths * self.num_channels

    def take(self, rows: NDArray[np.int64]) -> Self:
        """The same with other rows; nothing is copied."""
        return replace(self, starts=self.starts[rows], lengths=self.lengths[rows])

    def begin(self, lengths: NDArray[np.int64]) -> Self:
        """How each row begins: its first steps, as many as are given for it, int64 [N]."""
        return replace(self, lengths=np.minimum(self.lengths, lengths))

    def select(self, channels: NDArray[np.int64]) -> Self:
        """The same without the other channels; nothing is copied."""
        return replace(self, channels=channels if self.channels is None else self.channels[channels])

    def row(self, row: int) -> NDArray[np.float32]:
        """One row, [T, channels]."""
        own = self.values[self.starts[row] : self.starts[row] + self.lengths[row]]
        return own if self.channels is None else own[:, self.channels]

    def inputs(self, family: str, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Rows as a frozen model takes them, by name: values [B, longest T, channels], and lengths [B]."""
        longest = int(self.lengths[rows].max(initial=0))
        # Beyond its end a row holds whatever follows it.
        places = np.minimum(self.starts[rows][:, None] + np.arange(longest), max(len(self.values) - 1, 0))
        found = self.values[places] if longest else np.empty((len(rows), 0, self.values.shape[1]), np.float32)
        taken = np.ascontiguousarray(found if self.channels is None else found[:, :, self.channels])
        return {family: taken, lengths_name(family): self.lengths[rows]}


@dataclass(frozen=True, eq=False)
class Grids:
    """One family of grids, all of one shape.

    Args:
        values: float32 [grids, C, H, W], NaN where missing; may be memory-mapped.
        index: Which grid each row has, int64 [N]; their own order when not given.
        channels: Which of the C channels are meant; all when not given.

    Raises:
        ShapeError: The values have another number of dimensions.
        ConfigError: The values are not float32.
    """

    values: NDArray[np.float32]
    index: NDArray[np.int64] | None = None
    channels: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        _check_values(self.values, 4)

    @property
    def num_rows(self) -> int:
        """N."""
        return len(self.values) if self.index is None else len(self.index)

    @property
    def num_channels(self) -> int:
        """How many channels are meant."""
        return int(self.values.shape[1]) if self.channels is None else len(self.channels)

    @property
    def shape(self) -> tuple[int, int]:
        """H and W."""
        return int(self.values.shape[2]), int(self.values.shape[3])

    @property
    def cells(self) -> NDArray[np.int64]:
        """Values of each row, int64 [N]."""
        return np.full(self.num_rows, self.num_channels * self.shape[0] * self.shape[1], dtype=np.int64)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """The same with other rows; nothing is copied."""
        return replace(self, index=rows if self.index is None else self.index[rows])

    def select(self, channels: NDArray[np.int64]) -> Self:
        """The same without the other channels; nothing is copied."""
        return replace(self, channels=channels if self.channels is None else self.channels[channels])

    def row(self, row: int) -> NDArray[np.float32]:
        """One row, [channels, H, W]."""
        own: NDArray[np.float32] = self.values[row if self.index is None else self.index[row]]
        return own if self.channels is None else own[self.channels]

    def inputs(self, family: str, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Rows as a frozen model takes them, by name: values [B, channels, H, W]."""
        found = self.values[rows if self.index is None else self.index[rows]]
        return {family: np.ascontiguousarray(found if self.channels is None else found[:, self.channels])}


Sequences: TypeAlias = Series | Grids


def _check_values(values: NDArray[np.float32], dimensions: int) -> None:
    if values.ndim != dimensions or 0 in values.shape[1:]:
        raise ShapeError(f"needed {dimensions} dimensions, none of them empty, got shape {values.shape}")
    if values.dtype != np.float32:
        raise ConfigError(f"values must be float32, got {values.dtype}")
