"""The table a run learns from, and which of its rows it may see.

Shapes: N rows, D features.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from catvq.config import TrainingConfig
from catvq.errors import ConfigError, ShapeError
from catvq.features.columns import FeatureColumns
from catvq.features.precision import Values
from catvq.recipe import MIN_TRAINING_ROWS, count_rows


@dataclass(frozen=True)
class FeatureTable:
    """Rows of named features in named families.

    Args:
        values: float32 or float64 [N, D], NaN where missing; may be memory-mapped.
        features: Names, length D, all different.
        families: Family name to its features; every feature in exactly one.
        values_of: The values of each categorical feature, by its name; `values` then holds the index of one.

    Raises:
        ShapeError: Names and columns differ in number.
        ConfigError: Names repeat, the families do not cover every feature once, or a categorical feature has
            no values, the same twice, or no column.
    """

    values: Values
    features: tuple[str, ...]
    families: Mapping[str, tuple[str, ...]]
    values_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.features):
            raise ShapeError(f"{len(self.features)} features need that many columns, got {self.values.shape}")
        if len(set(self.features)) != len(self.features):
            raise ConfigError("feature names must differ")
        members = [name for names in self.families.values() for name in names]
        if sorted(members) != sorted(self.features):
            raise ConfigError("families must cover every feature exactly once")
        if not set(self.values_of) <= set(self.features):
            raise ConfigError("values are given of features that there are not")
        if any(not names or len(set(names)) < len(names) for names in self.values_of.values()):
            raise ConfigError("a categorical feature needs values, all of them different")

    @property
    def columns(self) -> FeatureColumns:
        """The columns that its features become."""
        return FeatureColumns(
            np.array([len(self.values_of.get(name, ())) for name in self.features], dtype=np.int64)
        )

    def family_of_feature(self) -> NDArray[np.int64]:
        """Index into `families` of each feature, int64 [D]."""
        family = {name: i for i, names in enumerate(self.families.values()) for name in names}
        return np.array([family[name] for name in self.features], dtype=np.int64)


@dataclass(frozen=True)
class RowSplit:
    """Row indices, int64, sorted: what trains, what choices may look at, and what no choice has seen."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def split_rows(training: TrainingConfig, rows: int) -> RowSplit:
    """Draw the split; the same seed and number of rows give the same split.

    Raises:
        ConfigError: Fewer than MIN_TRAINING_ROWS remain for training.
    """
    counts = count_rows(training, rows)
    if counts.train < MIN_TRAINING_ROWS:
        raise ConfigError(f"{rows} rows leave fewer than {MIN_TRAINING_ROWS} for training")
    order = np.random.default_rng([training.seed, 0]).permutation(rows)
    test, validation, train = np.split(order, [counts.test, counts.test + counts.validation])
    return RowSplit(np.sort(train), np.sort(validation), np.sort(test))
