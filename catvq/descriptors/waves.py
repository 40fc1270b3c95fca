"""Fourier bases of lines and squares that are cut into equal parts.

Letters: J parts of a line, W waves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Waves:
    """An orthonormal basis of what varies over the parts.

    Attributes:
        basis: float64 [parts, W].
        frequency: How often each wave rises and falls over the whole, float64 [W].
    """

    basis: NDArray[np.float64]
    frequency: NDArray[np.float64]

    def in_bands(self, limits: Sequence[int]) -> NDArray[np.float64]:
        """1 for each wave's band, the first whose limit is not below its frequency, 0 else, [W, limits]."""
        return np.eye(len(limits) + 1)[np.searchsorted(limits, self.frequency)][:, :-1]


def waves_of_line(parts: int) -> Waves:
    """Of a line, an even number of parts."""
    waves = _with_constant(parts)
    return Waves(waves.basis[:, 1:], waves.frequency[1:])


def waves_of_square(parts: int) -> Waves:
    """Of a square, whose parts are in rows; an even number of rows, and as many columns."""
    line = _with_constant(parts)
    frequency = np.hypot(*np.meshgrid(line.frequency, line.frequency, indexing="ij")).flatten()
    basis = np.asarray(np.kron(line.basis, line.basis), dtype=np.float64)
    return Waves(basis[:, 1:], frequency[1:])


def _with_constant(parts: int) -> Waves:
    middles, half = (np.arange(parts) + 0.5) / parts, parts // 2
    frequency = np.concatenate([np.arange(half), np.arange(1, half + 1)])
    phase = 2 * np.pi * np.outer(middles, frequency)
    # Of the fastest wave the cosine is 0 in the middle of every part.
    basis = np.where(np.arange(parts) < half, np.cos(phase), np.sin(phase))
    unit: NDArray[np.float64] = basis / np.linalg.norm(basis, axis=0)
    return Waves(unit, frequency.astype(np.float64))
