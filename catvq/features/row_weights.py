"""Draws training rows so that each comes as often as it weighs.

Weights so act on everything that learns from the drawn rows, as if a row of weight 2 were in the table twice.

Shapes: N rows, B drawn ones.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catvq.errors import ConfigError, ShapeError

Weights = NDArray[np.float64]

BLOCK_ROWS, WINDOW_BLOCKS = 256, 256  # rows that are read together, and blocks whose rows are mixed
WINDOW_ROWS = BLOCK_ROWS * WINDOW_BLOCKS  # up to here all rows are mixed


def check_weights(weights: Weights, rows: int) -> None:
    """Check the weights of rows.

    Raises:
        ShapeError: There is not one for each row.
        ConfigError: One is missing, infinite or below 0.
    """
    if weights.shape != (rows,):
        raise ShapeError(f"{rows} rows need as many weights, got {weights.shape}")
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        place = int(wrong[0])
        raise ConfigError(f"row {place + 1} weighs {weights[place]}; a weight is a number of at least 0")


def order_rows(rows: int, weights: Weights | None, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return N rows in random order, int64 [N]: each once, or with weights as often as it weighs.

    With weights a row of share s comes N s times, rounded up or down (systematic sampling). Many rows are
    taken in blocks from all over the table, and mixed with those of the blocks that come next, so that a
    file is not read in pages of one row each.

    Args:
        rows: N.
        weights: [N], above 0; None where all weigh the same.
        generator: Of random numbers.
    """
    ordered = np.arange(rows)
    if weights is not None:
        ends = np.cumsum(weights)
        points = (generator.random() + ordered) / rows * ends[-1]
        ordered = np.searchsorted(ends, points, side="right").clip(max=rows - 1)
    if rows <= WINDOW_ROWS:
        return generator.permutation(ordered)
    starts = generator.permutation(np.arange(0, rows, BLOCK_ROWS))
    windows = (starts[first : first + WINDOW_BLOCKS] for first in range(0, len(starts), WINDOW_BLOCKS))
    places = (window[:, None] + np.arange(BLOCK_ROWS) for window in windows)
    return np.concatenate([ordered[generator.permutation(place[place < rows])] for place in places])


def draw_rows(rows: int, number: int, weights: Weights | None) -> Tensor:
    """Draw rows with replacement, each with a chance of its weight, int64 [number]. Uses torch's generator.

    Args:
        rows: N.
        number: B.
        weights: As above.
    """
    if weights is None:
        return torch.randint(rows, (number,))
    ends = torch.from_numpy(np.cumsum(weights))
    points = torch.rand(number, dtype=torch.float64) * ends[-1]
    return torch.searchsorted(ends, points, right=True).clamp_max(rows - 1)
