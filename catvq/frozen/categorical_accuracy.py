"""How often the values of categorical features come back right after the way through the codes.

Shapes: N rows, S streams.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.features.split import RowSplit
from catvq.features.table import FeatureTable
from catvq.frozen.weights import FrozenWeights

MAX_ROWS = 20_000  # of test rows: an accuracy is then known to half a percentage point


@dataclass(frozen=True, kw_only=True)
class ValueAccuracy:
    """How often a feature's values come back.

    Attributes:
        accuracy: Share of the rows with a value whose decoded value is the same; None without such rows.
        commonest: What the share would be of always the value that is commonest in training.
    """

    name: str
    accuracy: float | None
    commonest: float | None


def describe_values(
    table: FeatureTable,
    cleaner: FeatureCleaner,
    weights: FrozenWeights,
    split: RowSplit,
    *,
    codes: NDArray[np.int64],
) -> list[ValueAccuracy]:
    """Tell of each categorical feature how good its decoded values are on test rows.

    Args:
        table: The uploaded table.
        cleaner: Fitted on its training rows.
        weights: The frozen weights.
        split: Of its rows.
        codes: int64 [N, S], of all rows.
    """
    categorical = np.flatnonzero(cleaner.num_values)
    if not len(categorical):
        return []
    rows = split.test[:MAX_ROWS]
    decoded = weights.decode(torch.from_numpy(codes[rows])).numpy()
    restored = cleaner.restore(decoded)
    values = table.take(rows)
    is_there = ~cleaner.columns.is_missing(values)
    commonest = cleaner.columns.collapse(np.where(cleaner.columns.is_gap, 0, cleaner.centre)[None])[0]
    found = []
    for feature in categorical:
        own, count = is_there[:, feature], int(is_there[:, feature].sum())
        right = int((restored[own, feature] == values[own, feature]).sum())
        usual = int((values[own, feature] == commonest[feature]).sum())
        found.append(
            ValueAccuracy(
                name=table.features[feature],
                accuracy=right / count if count else None,
                commonest=usual / count if count else None,
            )
        )
    return found
