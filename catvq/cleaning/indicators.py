"""What cleaning needs to know of the values of categorical features, read from tables longer than memory.

Letters: N rows, R numbers that a row has, C columns.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from catvq.cleaning.statistics import CHUNK_CELLS, TINY, Bounds
from catvq.features.columns import FeatureColumns
from catvq.features.precision import Values
from catvq.features.row_weights import Weights


def fit_indicators(
    values: Values,
    rows: NDArray[np.int64],
    bounds: Bounds,
    columns: FeatureColumns,
    weights: Weights | None = None,
) -> Bounds:
    """Bounds of columns from those of numbers [R] -> [C]: an indicator is 0 to 1, or a value's share.

    A missing value so adds nothing to what is learnt, once its columns are centred.
    """
    if not columns.is_expanded:
        return bounds
    number, total = np.zeros(len(columns.feature)), np.zeros(len(columns.feature))
    height = max(1, CHUNK_CELLS // len(columns.feature))
    for start in range(0, len(rows), height):
        chunk = columns.expand(np.asarray(values[rows[start : start + height]]))
        counts = 1.0 if weights is None else weights[rows[start : start + height], None]
        number += (~np.isnan(chunk) * counts).sum(axis=0)
        total += ((chunk == 1) * counts).sum(axis=0)
    share = (total / np.maximum(number, TINY)).astype(bounds.fill.dtype)
    is_indicator, of = columns.is_indicator | columns.is_gap, columns.number
    return Bounds(
        fill=np.where(is_indicator, share, bounds.fill[of]),
        lower=np.where(is_indicator, share.dtype.type(0), bounds.lower[of]),
        upper=np.where(is_indicator, share.dtype.type(1), bounds.upper[of]),
    )


def with_gaps(columns: FeatureColumns, values: Values, rows: NDArray[np.int64]) -> FeatureColumns:
    """Give each tabular feature that is missing in some of the rows a column that tells where."""
    number = np.zeros(len(columns.feature_of_number), dtype=np.int64)
    height = max(1, CHUNK_CELLS // len(number))
    for start in range(0, len(rows), height):
        number += columns.is_missing(np.asarray(values[rows[start : start + height]])).sum(axis=0)
    is_gapped = (
        (number > 0) & (number < len(rows)) & (columns.num_descriptors[columns.feature_of_number] == 0)
    )
    return replace(columns, gapped=np.bincount(columns.feature_of_number, is_gapped).astype(np.int64))
