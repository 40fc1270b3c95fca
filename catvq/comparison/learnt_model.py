"""What a comparison needs of a frozen model.

Shapes: D uploaded features.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.frozen.weights import FrozenWeights
from catvq.grouping.baselines import Grouping


@dataclass(frozen=True, kw_only=True)
class LearntModel:
    """Data of a frozen model for the comparison.

    Attributes:
        cleaner: Fitted on the training rows; used for all contestants.
        grouping: int64 [D].
        codebook_sizes: Nested by category and level.
        test_error: Test error of the model as frozen; None without test rows.
        moved: How many features are not in the category where they started.
        training_seconds: Duration of its initialisation and training.
        weights: To encode rows for the probes; without them there are none.
    """

    cleaner: FeatureCleaner
    grouping: Grouping
    codebook_sizes: list[list[int]]
    test_error: float | None
    moved: int
    training_seconds: float
    weights: FrozenWeights | None = None

    @classmethod
    def read(cls, directory: Path, training_seconds: float) -> "LearntModel":
        """Load it from the directory of a frozen model.

        Raises:
            FileNotFoundError: The model does not exist.
        """
        names = ("model.json", "grouping.json", "report.json")
        model, grouping, report = (json.loads((directory / name).read_bytes()) for name in names)
        return cls(
            cleaner=FeatureCleaner.from_dict(model["cleaner"]),
            grouping=np.array([feature["category"] for feature in grouping["features"]], dtype=np.int64),
            codebook_sizes=model["codebook_size"],
            test_error=report["reconstruction_error"]["test"],
            moved=_count_moved(report["moved_features"]),
            training_seconds=training_seconds,
            weights=FrozenWeights(**load_file(directory / "model.safetensors")),
        )


def _count_moved(moves: Sequence[Mapping[str, Any]]) -> int:
    """Count the features whose last move did not lead back to where the first one began."""
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    for move in moves:
        first.setdefault(move["name"], move["from"])
        last[move["name"]] = move["to"]
    return sum(first[name] != last[name] for name in first)
