"""Which rows of a long table a freeze verifies and measures: as many of each part as tell enough.

Shapes: N rows.
"""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catvq.features.rows import RunData
from catvq.features.split import RowSplit, draw_sample
from catvq.features.spooled import gather
from catvq.features.table import FeatureTable

MOST_ROWS = 1_000_000  # that are all verified: some minutes of one core
SAMPLED_ROWS = 200_000  # of more: what is wrong in one row of 50,000 is then found with a probability of 98%
MOST_CELLS, SAMPLED_CELLS = 2**30, 2**28  # values of series and grids that take as long
PARTS = ("train", "validation", "test")


def choose_rows(table: FeatureTable, data: RunData) -> tuple[FeatureTable, RunData]:
    """Return the table and its normalised rows as they are, or a sample of many, of each part its share.

    The first rows of a part of a sample are a sample, too.
    """
    others = [other for part in table.parts for other in part.others.values()]
    cells = sum(int(other.cells.sum()) for other in others)
    if table.num_rows <= MOST_ROWS and cells <= MOST_CELLS:
        return table, data
    parts = {name: getattr(data.split, name) for name in PARTS}
    most = min(SAMPLED_ROWS, SAMPLED_CELLS * table.num_rows // max(1, cells))
    share = min(1.0, most / sum(map(len, parts.values())))
    drawn = {name: draw_sample(rows, round(share * len(rows))) for name, rows in parts.items()}
    rows = np.sort(np.concatenate(list(drawn.values())))
    places = {name: np.searchsorted(rows, own) for name, own in drawn.items()}
    return table.keep(rows), dataclasses.replace(
        data,
        features=_gather(data.features, rows, table.spool_dir),
        split=RowSplit(**places),
        present=None if data.present is None else _gather(data.present, rows, table.spool_dir),
        weights=None if data.weights is None else data.weights[rows],
    )


def _gather(values: Tensor, rows: NDArray[np.int64], directory: Path | None) -> Tensor:
    """Some rows, on the device of all; in a file where they are many and in this process's memory."""
    if values.device.type != "cpu":
        return values[torch.from_numpy(rows).to(values.device)]
    return torch.from_numpy(gather(values.numpy(), rows, directory))
