"""Who takes part in a comparison, and what all share: rows, allowed categories and settings.

Shapes: D' active features, G categories.
"""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from catvq.config import RunConfig
from catvq.features.split import RowSplit
from catvq.grouping.baselines import Grouping
from catvq.recipe import choose_batch_size, choose_epochs

MAX_TRAIN_ROWS, MAX_TEST_ROWS = 4000, 2000
MAX_STEPS = 1000  # of each training, to bound the duration of a comparison


def sample_rows(split: RowSplit, *, seed: int) -> tuple[NDArray[np.int64], RowSplit]:
    """Sample rows of each part of the run's split; return them, and their own split."""
    generator = np.random.default_rng([seed, 2])
    parts = [
        np.sort(generator.permutation(rows)[:most])
        for rows, most in (
            (split.train, MAX_TRAIN_ROWS),
            (split.test, MAX_TEST_ROWS),
            (split.validation, MAX_TEST_ROWS),
        )
    ]
    rows = np.concatenate(parts)
    train, test, validation = np.split(np.arange(len(rows)), np.cumsum([len(part) for part in parts])[:-1])
    return rows, RowSplit(train, validation, test)


def allowed_categories(grouping: Grouping, block: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """Return which categories each feature may join, [D', G]: all, or those of its block of families."""
    if block is None:
        return np.ones((len(grouping), int(grouping.max()) + 1), dtype=bool)
    of_block = np.zeros((int(block.max()) + 1, int(grouping.max()) + 1), dtype=bool)
    of_block[block, grouping] = True
    return of_block[block]


def rows_learnt(config: RunConfig, rows: int) -> int:
    """How many rows a run sees in all its epochs."""
    return choose_epochs(config.training, rows) * rows


def static_settings(config: RunConfig, *, codebook_size: int, rows: int) -> RunConfig:
    """The settings that all contestants train by: the run's own, but for what must be equal, or short."""
    training = config.training
    most_epochs = math.ceil(MAX_STEPS / (rows // choose_batch_size(training, rows)))
    return dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, codebook_size=codebook_size, levels=config.model.num_levels),
        assignment=dataclasses.replace(config.assignment, mode="static", surplus_categories=0),
        training=dataclasses.replace(training, epochs=min(choose_epochs(training, rows), most_epochs)),
    )
