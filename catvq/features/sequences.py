"""Values of families whose features are channels: series of any length, and grids.

Shapes: N rows, C channels, T length of a row's series, H x W a grid.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from catvq.errors import ConfigError, ShapeError


@dataclass(frozen=True, eq=False)
class Series:
    """One family of series: all channels of a row have its length, each row a length of its own.

    Args:
        values: float32 [sum of T, C], row after row; NaN where missing; may be memory-mapped.
        offsets: int64 [N + 1]; row n is `values[offsets[n]:offsets[n + 1]]`, all of it missing at length 0.

    Raises:
        ShapeError: The values are no matrix, or the offsets do not divide it.
        ConfigError: The values are not float32.
    """

    values: NDArray[np.float32]
    offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        _check_values(self.values, 2)
        ends, number = self.offsets, len(self.values)
        if ends.ndim != 1 or not len(ends) or ends[0] != 0 or ends[-1] != number or (np.diff(ends) < 0).any():
            raise ShapeError(f"offsets must rise from 0 to the number of values, {number}")

    @property
    def num_rows(self) -> int:
        """N."""
        return len(self.offsets) - 1

    @property
    def num_channels(self) -> int:
        """C."""
        return int(self.values.shape[1])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """T of each row, int64 [N]."""
        return np.diff(self.offsets)


@dataclass(frozen=True, eq=False)
class Grids:
    """One family of grids, all of one shape.

    Args:
        values: float32 [N, C, H, W], NaN where missing; may be memory-mapped.

    Raises:
        ShapeError: The values have another number of dimensions.
        ConfigError: The values are not float32.
    """

    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        _check_values(self.values, 4)

    @property
    def num_rows(self) -> int:
        """N."""
        return len(self.values)

    @property
    def num_channels(self) -> int:
        """C."""
        return int(self.values.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """H and W."""
        return int(self.values.shape[2]), int(self.values.shape[3])


Sequences: TypeAlias = Series | Grids


def _check_values(values: NDArray[np.float32], dimensions: int) -> None:
    if values.ndim != dimensions or 0 in values.shape[1:]:
        raise ShapeError(f"needed {dimensions} dimensions, none of them empty, got shape {values.shape}")
    if values.dtype != np.float32:
        raise ConfigError(f"values must be float32, got {values.dtype}")
