"""Made-up tables of numbers, series of any length and grids whose categories are known.

Each category has a cause, one hidden number of each row. Every feature of the category shows it in its own
way: a number is larger, a series moves differently, a grid has another texture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catvq.features.sequences import Grids, Sequences, Series
from catvq.features.table import FeatureTable

KINDS = ("level", "amplitude", "frequency", "persistence", "trend", "bursts")
NOISE = 0.3  # deviation of what a channel sees of its cause beside the cause itself


@dataclass(frozen=True)
class PlantedChannels:
    """A table, and the category of each of its features."""

    table: FeatureTable
    category: NDArray[np.int64]


def draw_channels(
    rows: int, *, seed: int, causes: int = 3, shortest: int = 8, longest: int = 256, grid: int = 12
) -> PlantedChannels:
    """Draw a table of two numbers, four series and one grid for each cause.

    Args:
        rows: Number of rows.
        seed: Of everything.
        causes: Number of categories.
        shortest: Least length of a row's series.
        longest: Most; lengths are as often between 8 and 16 as between 16 and 32.
        grid: Height and width of grids; none when 0.
    """
    rng = np.random.default_rng(seed)
    cause = rng.standard_normal((rows, causes))
    lengths = np.exp(rng.uniform(np.log(shortest), np.log(longest + 1), rows)).astype(np.int64)
    numbers = np.repeat(cause, 2, axis=1)
    numbers += NOISE * rng.standard_normal(numbers.shape)
    kinds = [(which, KINDS[(which * 2 + i) % len(KINDS)]) for which in range(causes) for i in range(4)]
    series = [
        np.stack([_draw(kind, cause[row, which], length, rng) for which, kind in kinds], axis=1)
        for row, length in enumerate(lengths)
    ]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    others: dict[str, Sequences] = {
        "signals": Series.divide(np.concatenate(series).astype(np.float32), offsets)
    }
    tabular = tuple(f"number{i}" for i in range(2 * causes))
    families = {
        "numbers": tabular,
        "signals": tuple(f"signals/{kind}_{i}" for i, (_, kind) in enumerate(kinds)),
    }
    category = [*np.repeat(np.arange(causes), 2), *(which for which, _ in kinds)]
    if grid:
        seen = cause + NOISE * rng.standard_normal(cause.shape)
        others["images"] = Grids(_textures(seen, grid, rng).astype(np.float32))
        families["images"] = tuple(f"images/{i}" for i in range(causes))
        category += range(causes)
    features = tuple(name for names in families.values() for name in names)
    table = FeatureTable(numbers.astype(np.float32), features, families, others=others)
    return PlantedChannels(table, np.array(category))


def _draw(kind: str, cause: float, length: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """One channel of one row, [length]."""
    seen = cause + NOISE * rng.standard_normal()
    time, noise = np.arange(length), rng.standard_normal(length)
    match kind:
        case "level":
            return 2 * seen + noise + np.sin(2 * np.pi * (time / length + rng.uniform()))
        case "amplitude":
            return np.exp(0.7 * seen) * np.cumsum(noise) / np.sqrt(length)
        case "frequency":
            wave = np.sin(2 * np.pi * (time * 0.12 * np.exp(0.5 * seen) + rng.uniform()))
            return wave + 0.3 * noise
        case "persistence":
            return _autoregressive(0.95 / (1 + np.exp(-2 * seen)), noise)
        case "trend":
            return 2 * seen * (time + 0.5) / length + 0.5 * noise
        case _:  # rare jumps, which decay slowly
            jumps = (rng.uniform(size=length) < 0.15) * np.abs(noise) * np.exp(0.7 * seen)
            return _autoregressive(0.7, jumps) + 0.1 * noise


def _autoregressive(memory: float, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.empty_like(steps)
    last = 0.0
    for place, step in enumerate(steps):
        last = memory * last + step
        values[place] = last
    return values


def _textures(cause: NDArray[np.float64], size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise, the smoother the larger the cause: [rows, causes] -> [rows, causes, size, size]."""
    noise = rng.standard_normal((*cause.shape, size, size))
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    reach = np.exp(0.7 * cause)[..., None, None]
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-3 * reach * frequency)).real
    deviation: NDArray[np.float64] = smooth.std(axis=(2, 3), keepdims=True)
    return smooth / deviation
