"""The table a run learns from, and which of its rows it may see.

Shapes: N rows, D features.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catvq.config import FeatureSettings, HeldOutPart, TrainingSettings
from catvq.descriptors.family import ChannelFamily, check_names
from catvq.errors import ConfigError, ShapeError
from catvq.features.batches import describe
from catvq.features.columns import FeatureColumns
from catvq.features.precision import Values
from catvq.features.row_weights import Weights, check_weights
from catvq.features.sequences import Sequences
from catvq.features.split import RowSplit, split_rows, with_weight
from catvq.features.spooled import blocks, gather, gather_columns, new_array


@dataclass(frozen=True)
class FeatureTable:
    """Rows of named features in named families.

    Args:
        values: float32 or float64 [N, tabular features], NaN where missing; may be memory-mapped.
        features: Names, length D, all different: of the columns of `values`, then of the channels of the
            other families, in their order.
        families: Family name to its features; every feature in exactly one.
        values_of: The values of each categorical feature, by its name; `values` then holds the index of one.
        origins: From when each feature of times counts its seconds, by its name, ISO 8601.
        keys: Columns of text [N] that are not learnt from, such as what rows belong together by.
        weights: How much each row counts, float64 [N], 0 or more; None where all count the same.
        others: The values of each family of series or grids, by its name.
        prefixes: Rows that train as well, see `prepare_table`; numbered after all others.
        held_out: Tables of the same columns whose rows validate or test, see `align`; their rows are numbered
            after those of this one, in this order.
        spool_dir: Where files lie that hold what is worked out of a long table while it is used; the system's
            directory for temporary files when not given.

    Raises:
        ShapeError: Names and columns differ in number, or parts of the table in rows.
        ConfigError: Names repeat, the families do not cover every feature once, a categorical feature has no
            values, the same twice, or no column, or a row weighs less than nothing.
    """

    values: Values
    features: tuple[str, ...]
    families: Mapping[str, tuple[str, ...]]
    values_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keys: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    weights: Weights | None = None
    others: Mapping[str, Sequences] = field(default_factory=dict)
    held_out: Mapping[HeldOutPart, "FeatureTable"] = field(default_factory=dict)
    prefixes: "FeatureTable | None" = None
    spool_dir: Path | None = None

    def __post_init__(self) -> None:
        channels = [name for family in self.others for name in self.families.get(family, ())]
        tabular = len(self.features) - len(channels)
        if self.values.ndim != 2 or self.values.shape[1] != tabular:
            raise ShapeError(f"{tabular} features need that many columns, got {self.values.shape}")
        if list(self.features[tabular:]) != channels:
            raise ConfigError("the channels of series and grids must be the last features, in their order")
        for family, other in self.others.items():
            number = len(self.families.get(family, ()))
            if (other.num_rows, other.num_channels) != (len(self.values), number):
                raise ShapeError(f"family {family!r} needs {len(self.values)} rows of {number} channels")
        check_names(self.channel_families)
        if len(set(self.features)) != len(self.features):
            raise ConfigError("feature names must differ")
        members = [name for names in self.families.values() for name in names]
        if sorted(members) != sorted(self.features):
            raise ConfigError("families must cover every feature exactly once")
        if not set(self.values_of) <= set(self.features[:tabular]):
            raise ConfigError("values are given of features that there are not")
        if any(not names or len(set(names)) < len(names) for names in self.values_of.values()):
            raise ConfigError("a categorical feature needs values, all of them different")
        if self.weights is not None:
            check_weights(self.weights, len(self.values))

    @property
    def columns(self) -> FeatureColumns:
        """The columns that its features become."""
        tabular = self.features[: self.values.shape[1]]
        num_values = np.zeros(len(self.features), dtype=np.int64)
        num_values[: len(tabular)] = [len(self.values_of.get(name, ())) for name in tabular]
        num_descriptors = [len(other.descriptors) for other in self.channel_families for _ in other.channels]
        descriptors = np.array([0] * len(tabular) + num_descriptors, dtype=np.int64)
        return FeatureColumns(num_values, descriptors, np.zeros_like(num_values))

    @cached_property
    def channel_families(self) -> tuple[ChannelFamily, ...]:
        """Its families of series and grids."""
        return tuple(
            ChannelFamily(
                family,
                tuple(name.removeprefix(f"{family}/") for name in self.families[family]),
                other.shape,
            )
            for family, other in self.others.items()
        )

    @cached_property
    def numbers(self) -> Values:
        """What its columns come from: values, then descriptors of all channels, [N, R]; computed once."""
        return _numbers_of(self, np.arange(len(self.values))) if self.others else self.values

    @property
    def parts(self) -> tuple["FeatureTable", ...]:
        """This table, and those whose rows follow."""
        return (self, *self.held_out.values(), *(() if self.prefixes is None else (self.prefixes,)))

    @property
    def num_rows(self) -> int:
        """N of all parts."""
        return sum(len(part.values) for part in self.parts)

    @property
    def all_weights(self) -> Weights | None:
        """Weights of the rows of all parts; None where all count the same."""
        found = [part.weights for part in self.parts if part.weights is not None]
        return np.concatenate(found) if found else None

    def take(self, rows: NDArray[np.int64]) -> Values:
        """Values and descriptors of rows of any part, [rows, R]."""
        ends = np.cumsum([len(part.values) for part in self.parts])
        number = np.searchsorted(ends, rows, side="right")
        found = [
            _numbers_of(part, rows[number == place] - (ends[place] - len(part.values)))
            for place, part in enumerate(self.parts)
        ]
        taken = np.empty((len(rows), found[0].shape[1]), dtype=found[0].dtype)
        for place, numbers in enumerate(found):
            taken[number == place] = numbers
        return taken

    def keep(self, rows: NDArray[np.int64]) -> "FeatureTable":
        """The same with some rows of any part, ascending; without keys."""
        ends = np.cumsum([len(part.values) for part in self.parts])
        starts = [0, *ends[:-1].tolist()]
        cuts = np.searchsorted(rows, ends)[:-1]
        kept = [
            _keep(part, own - start)
            for part, own, start in zip(self.parts, np.split(rows, cuts), starts, strict=True)
        ]
        prefixes = None if self.prefixes is None else kept.pop()
        return replace(kept[0], held_out=dict(zip(self.held_out, kept[1:], strict=True)), prefixes=prefixes)

    def split(self, training: TrainingSettings) -> RowSplit:
        """Split the rows of all parts, see `split_rows`; those of another table are what it is for.

        Rows of weight 0 are in no part.

        Raises:
            ConfigError: As `split_rows`; also where too few rows with a weight are left.
        """
        split, start = split_rows(training, len(self.values), self.keys, self.held_out), len(self.values)
        for part, other in self.held_out.items():
            split = replace(split, **{part: np.arange(start, start + len(other.values))})
            start += len(other.values)
        if self.prefixes is not None:
            ends = np.arange(start, start + len(self.prefixes.values))
            split = replace(split, train=np.concatenate([split.train, ends]))
        return split if self.all_weights is None else with_weight(split, self.all_weights)

    def family_of_feature(self) -> NDArray[np.int64]:
        """Index into `families` of each feature, int64 [D]."""
        family = {name: i for i, names in enumerate(self.families.values()) for name in names}
        return np.array([family[name] for name in self.features], dtype=np.int64)


def select_features(table: FeatureTable, wanted: FeatureSettings) -> FeatureTable:
    """Return a table without the features that are not to be learnt from.

    Raises:
        ConfigError: No feature is left.
    """
    is_wanted = np.array([wanted.is_wanted(name) for name in table.features])
    if is_wanted.all():
        return table
    if not is_wanted.any():
        raise ConfigError("no feature is left to learn from")
    families = {
        family: tuple(name for name in names if wanted.is_wanted(name))
        for family, names in table.families.items()
    }
    others = {
        family: other.select(np.flatnonzero([wanted.is_wanted(name) for name in table.families[family]]))
        for family, other in table.others.items()
    }
    return replace(
        table,
        values=gather_columns(
            table.values,
            np.flatnonzero(is_wanted[: table.values.shape[1]]),
            table.values.dtype,
            table.spool_dir,
        ),
        features=tuple(name for name in table.features if wanted.is_wanted(name)),
        families={family: names for family, names in families.items() if names},
        values_of={name: values for name, values in table.values_of.items() if wanted.is_wanted(name)},
        origins={name: origin for name, origin in table.origins.items() if wanted.is_wanted(name)},
        held_out={part: select_features(other, wanted) for part, other in table.held_out.items()},
        others={family: other for family, other in others.items() if other.num_channels},
    )


def _keep(part: FeatureTable, rows: NDArray[np.int64]) -> FeatureTable:
    return replace(
        part,
        values=gather(part.values, rows, part.spool_dir),
        keys={},
        weights=None if part.weights is None else part.weights[rows],
        others={family: other.take(rows) for family, other in part.others.items()},
        held_out={},
        prefixes=None,
    )


def _numbers_of(part: FeatureTable, rows: NDArray[np.int64]) -> Values:
    """Values and descriptors of rows of this part, [rows, R]."""
    if not part.others or "numbers" in vars(part):
        return gather(part.numbers, rows, part.spool_dir)
    start = part.values.shape[1]
    dtype = part.values.dtype if start else np.float32
    numbers = new_array((len(rows), len(part.columns.feature_of_number)), dtype, part.spool_dir)
    for block in blocks(*numbers.shape):
        numbers[block, :start] = part.values[rows[block]]
    for family, other in zip(part.channel_families, part.others.values(), strict=True):
        end = start + len(family.channels) * len(family.descriptors)
        describe(family, other.take(rows), numbers[:, start:end])
        start = end
    return numbers
