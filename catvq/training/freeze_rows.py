"""Which rows of a long table a freeze verifies and measures: as many of each part as tell enough.

Shapes: N rows.
"""

import dataclasses

import numpy as np
import torch

from catvq.features.rows import RunData
from catvq.features.samples import draw_sample
from catvq.features.split import RowSplit
from catvq.features.spooled import gather
from catvq.features.table import FeatureTable

MOST_ROWS = 1_000_000  # that are all verified: some minutes of one core
SAMPLED_ROWS = 200_000  # of more: what is wrong in one row of 50,000 is then found with a probability of 98%
PARTS = ("train", "validation", "test")


def choose_rows(table: FeatureTable, data: RunData) -> tuple[FeatureTable, RunData]:
    """Return the table and its normalised rows as they are, or a sample of many, of each part its share.

    The first rows of a part of a sample are a sample, too.
    """
    if table.num_rows <= MOST_ROWS:
        return table, data
    parts = {name: getattr(data.split, name) for name in PARTS}
    share = SAMPLED_ROWS / sum(map(len, parts.values()))
    drawn = {name: draw_sample(rows, round(share * len(rows))) for name, rows in parts.items()}
    rows = np.sort(np.concatenate(list(drawn.values())))
    places = {name: np.searchsorted(rows, own) for name, own in drawn.items()}
    present = None if data.present is None else gather(data.present.cpu().numpy(), rows, table.spool_dir)
    features = gather(data.features.cpu().numpy(), rows, table.spool_dir)
    return table.keep(rows), dataclasses.replace(
        data,
        features=torch.from_numpy(features).to(data.device),
        split=RowSplit(**places),
        present=None if present is None else torch.from_numpy(present).to(data.device),
        weights=None if data.weights is None else data.weights[rows],
    )
