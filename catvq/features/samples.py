"""Rows that stand for all others of a long table: what is learnt of them does not grow with it."""

import numpy as np
from numpy.typing import NDArray


def draw_sample(rows: NDArray[np.int64], most: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Return the rows as they are, or so many of them in random order: its first ones are a sample, too."""
    return rows if len(rows) <= most else np.random.default_rng(seed).permutation(rows)[:most]
