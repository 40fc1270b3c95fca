"""The metadata of a frozen model's files: names, and a test vector that tells whether a runtime agrees.

Shapes: N rows, D tabular features, C' active columns, S streams.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catvq.features.table import FeatureTable
from catvq.frozen.artifact import origins_of_features, values_of_features
from catvq.frozen.verify import TIE_TOLERANCE
from catvq.frozen.weights import FrozenWeights

TEST_VECTOR_ROWS = 8
TEST_VECTOR_CANDIDATES = 1024
TEST_VECTOR_CELLS = 2**14  # of a row's series and grids: all rows together then take about a megabyte


def choose_test_vector(
    table: FeatureTable, rows: NDArray[np.int64], features: Tensor, weights: FrozenWeights
) -> NDArray[np.int64]:
    """The rows of a test vector: those whose codes no rounding on another machine can change.

    Args:
        table: The uploaded table.
        rows: Those to choose from.
        features: float32 [N, C'], normalised.
        weights: The frozen weights.
    """
    rows = rows[rows < len(table.values)]
    cells = sum((other.cells[rows] for other in table.others.values()), np.zeros(len(rows), dtype=np.int64))
    candidates = rows[cells <= TEST_VECTOR_CELLS][:TEST_VECTOR_CANDIDATES]
    _, clearness = weights.search(weights.latents(features[torch.from_numpy(candidates)]))
    clearest, picks = clearness.amin(dim=0).topk(min(TEST_VECTOR_ROWS, len(candidates)))
    picks = picks[clearest > TIE_TOLERANCE]
    chosen: NDArray[np.int64] = candidates[np.sort(picks.numpy())]
    return chosen


def describe_encoder(
    table: FeatureTable, tokens: Sequence[str], vector: NDArray[np.int64], codes: NDArray[np.int64]
) -> dict[str, str]:
    """Names, and a test vector.

    Args:
        table: The uploaded table.
        tokens: Names of the codes, length S.
        vector: Rows of the test vector.
        codes: The frozen model's own codes of them, [rows, S].
    """
    return {
        "catvq_features": json.dumps(list(table.features)),
        "catvq_values": json.dumps(values_of_features(table)),
        "catvq_origins": json.dumps(origins_of_features(table)),
        "catvq_kinds": json.dumps([family.document() for family in table.channel_families]),
        "catvq_codes": json.dumps(list(tokens)),
        "catvq_test_rows": json.dumps(_plain(table.values[vector])),
        "catvq_test_families": json.dumps(
            {family: [_plain(other.row(row)) for row in vector] for family, other in table.others.items()}
        ),
        "catvq_test_codes": json.dumps(codes.tolist()),
        "catvq_version": "1",
    }


def describe_distances(distance: NDArray[np.float32]) -> dict[str, str]:
    """How far the training rows were from their codes: percentiles 0, 1, ..., 100."""
    percentiles = np.percentile(distance.astype(np.float64), np.arange(101))
    return {"catvq_distance_percentiles": json.dumps(percentiles.tolist())}


def _plain(values: NDArray[Any]) -> Any:
    """Nested lists, with None for NaN."""
    found = values.astype(object)
    found[np.isnan(values)] = None
    return found.tolist()
