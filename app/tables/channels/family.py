"""A family of series or grids: its channels, and values that arrive part by part.

Shapes: N rows, C channels, S steps of all rows together, H and W of a grid.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ChannelKind = Literal["series", "grid"]
CHANNEL_MARK = "/"  # between a family and a channel in the name of a feature


@dataclass(frozen=True)
class ChannelFamily:
    """A family of series or grids as a file has it; NaN is missing.

    Args:
        channels: Names without the family, all different.
        rows: N.
        blocks: Reads the values in the order of the rows, of any number type, anew with each call: of series
            [steps, C], cut anywhere, of grids [rows, C, H, W].
        lengths: Steps of each row of a series, int64 [N]; None of grids.
        shape: [H, W] of a grid; None of series.
    """

    kind: ChannelKind
    channels: tuple[str, ...]
    rows: int
    blocks: Callable[[], Iterator[NDArray[Any]]]
    lengths: NDArray[np.int64] | None = None
    shape: tuple[int, int] | None = None

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape of all values: [S, C], or [N, C, H, W]."""
        if self.lengths is not None:
            return int(self.lengths.sum()), len(self.channels)
        return (self.rows, len(self.channels), *(self.shape or ()))

    def select(self, places: Sequence[int]) -> "ChannelFamily":
        """Return the family with only these channels."""
        kept = list(places)
        if kept == list(range(len(self.channels))):
            return self
        return replace(
            self,
            channels=tuple(self.channels[place] for place in kept),
            blocks=lambda: (block[:, kept] for block in self.blocks()),
        )


def feature_names(family: str, channels: Sequence[str]) -> list[str]:
    """Return the names of a family's features."""
    return [f"{family}{CHANNEL_MARK}{channel}" for channel in channels]
