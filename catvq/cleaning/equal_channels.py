"""Finds channels that repeat another one in its unit or in another: all of their descriptors follow its own.

Letters: S sampled rows, M descriptors of a channel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_ROWS = 2000  # that are compared: a correlation of 0.99 is then known to 0.0005


@dataclass(frozen=True, eq=False)
class EqualChannel:
    """A channel that repeats an earlier one.

    Attributes:
        channel: Place of the channel.
        representative: Place of the earlier one, which is kept.
        slope: Of its descriptors over the earlier one's, by least squares, [M].
        intercept: Of the same lines, [M].
    """

    channel: int
    representative: int
    slope: NDArray[np.float64]
    intercept: NDArray[np.float64]


def find_equal_channels(
    channels: Sequence[NDArray[np.float32]], keys: Sequence[tuple[int, ...]], threshold: float
) -> Iterator[EqualChannel]:
    """Yield each channel all of whose descriptors correlate with an earlier kept one's above the threshold.

    A channel turned upside down is another one: its minimum follows the other's maximum.

    Args:
        channels: Normalised descriptors of each, [S, M].
        keys: Channels of different keys differ.
        threshold: From 0 to 1; at 1 nothing repeats.
    """
    kept: dict[tuple[int, ...], list[int]] = {}
    sampled = [values[:: -(-len(values) // MOST_ROWS)].astype(np.float64) for values in channels]
    unit = [_standardised(values) for values in sampled]
    for place, key in enumerate(keys):
        others = kept.setdefault(key, [])
        alike = [float((unit[place] * unit[other]).sum(axis=0).min()) for other in others]
        if alike and min(max(alike), 1.0) > threshold:
            other = others[int(np.argmax(alike))]
            mean, of_other = sampled[place].mean(axis=0), sampled[other].mean(axis=0)
            slope = sampled[place].std(axis=0) / sampled[other].std(axis=0)
            yield EqualChannel(place, other, slope, mean - slope * of_other)
        else:
            others.append(place)


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = values - values.mean(axis=0)
    norm = np.linalg.norm(centred, axis=0)
    unit: NDArray[np.float64] = centred / np.where(norm > 0, norm, 1.0)
    return unit
