"""Cleans the rows of all parts of a table, block by block, and gives a run what it learns from.

Shapes: N rows of all parts, C' active columns.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.config import RunConfig
from catvq.features.precision import Values
from catvq.features.rows import RunData
from catvq.features.scores.row_lengths import RowLengths
from catvq.features.spooled import blocks, new_array
from catvq.features.table import FeatureTable
from catvq.grouping.categories import Categories
from catvq.training.device import family_one_hot, resolve_device


def prepare_rows(
    table: FeatureTable, config: RunConfig, cleaner: FeatureCleaner, categories: Categories
) -> RunData:
    """Return what a run learns from, on its device.

    Raises:
        ConfigError: Too few rows train, or the device is not there.
    """
    device = resolve_device(config.training.device)
    family = torch.from_numpy(table.family_of_feature()[cleaner.active])
    features, present = clean_rows(table, cleaner)
    return RunData(
        features.to(device),
        table.split(config.training),
        family_one_hot(family, len(table.families)).to(device),
        cleaner.feature_of_column,
        None if present is None else present.to(device),
        table.all_weights,
        categories.active_leader(cleaner),
        cleaner.is_channel,
        cleaner.is_gap,
        RowLengths.of(table, cleaner.active),
    )


def clean_rows(table: FeatureTable, cleaner: FeatureCleaner) -> tuple[Tensor, Tensor | None]:
    """Return the normalised rows, float32 [N, C'], and which of their cells are there, bool; None if all are.

    Those of a long table lie in a file, and so are the system's to keep in memory or not.
    """
    shape = (table.num_rows, len(cleaner.active_columns))
    features = new_array(shape, np.float32, table.spool_dir)
    present: NDArray[np.bool_] | None = None
    for rows, numbers in _blocks(table, max(shape[1], table.numbers.shape[1])):
        features[rows] = cleaner.normalize(numbers)
        found = cleaner.present(numbers)
        if present is None and found is not None:
            present = new_array(shape, np.bool_, table.spool_dir)
            present[: rows.start] = True
        if present is not None:
            present[rows] = True if found is None else found
    return torch.from_numpy(features), None if present is None else torch.from_numpy(present)


def _blocks(table: FeatureTable, columns: int) -> Iterator[tuple[slice, Values]]:
    """Yield some rows of all parts at a time: their places among all, and what their columns come from."""
    start = 0
    for part in table.parts:
        for block in blocks(len(part.values), columns):
            numbers = part.numbers[block]
            yield slice(start + block.start, start + block.start + len(numbers)), numbers
        start += len(part.values)
