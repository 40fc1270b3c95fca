"""The table a run learns from, and which of its rows it may see.

Shapes: N rows, D features.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

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
from catvq.recipe import MIN_TRAINING_ROWS, count_rows


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
        if not self.others:
            return self.values
        dtype = self.values.dtype if self.values.shape[1] else np.float32
        numbers = np.empty((len(self.values), len(self.columns.feature_of_number)), dtype=dtype)
        start = self.values.shape[1]
        numbers[:, :start] = self.values
        for family, other in zip(self.channel_families, self.others.values(), strict=True):
            end = start + len(family.channels) * len(family.descriptors)
            describe(family, other, numbers[:, start:end])
            start = end
        return numbers

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
        taken = np.empty((len(rows), self.numbers.shape[1]), dtype=self.numbers.dtype)
        for place, part in enumerate(self.parts):
            is_own = number == place
            taken[is_own] = part.numbers[rows[is_own] - (ends[place] - len(part.values))]
        return taken

    def split(self, training: TrainingSettings) -> "RowSplit":
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
        return split if self.all_weights is None else _with_weight(split, self.all_weights)

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
        values=table.values[:, is_wanted[: table.values.shape[1]]],
        features=tuple(name for name in table.features if wanted.is_wanted(name)),
        families={family: names for family, names in families.items() if names},
        values_of={name: values for name, values in table.values_of.items() if wanted.is_wanted(name)},
        origins={name: origin for name, origin in table.origins.items() if wanted.is_wanted(name)},
        held_out={part: select_features(other, wanted) for part, other in table.held_out.items()},
        others={family: other for family, other in others.items() if other.num_channels},
    )


def split_rows(
    training: TrainingSettings,
    rows: int,
    keys: Mapping[str, NDArray[np.object_]] = MappingProxyType({}),
    held_out: Collection[HeldOutPart] = (),
) -> RowSplit:
    """Split rows at random, or by a key; the same seed and rows give the same split.

    Args:
        training: Says how large the parts are, and by which key to split.
        rows: N.
        keys: The keys of the table, text [N] each.
        held_out: Parts that get none of the rows.

    Raises:
        ConfigError: Fewer than MIN_TRAINING_ROWS remain for training, or there is no such key.
    """
    key = training.split_key
    counts = count_rows(training, rows, dict.fromkeys(held_out, 0))
    if counts.train < MIN_TRAINING_ROWS:
        raise ConfigError(f"{rows} rows leave fewer than {MIN_TRAINING_ROWS} for training")
    if key is not None and key not in keys:
        raise ConfigError(f"the table has no key {key!r} to split by")
    random = np.random.default_rng([training.seed, 0])
    cuts = [counts.test, counts.test + counts.validation]
    if training.split_by_order_of is not None:
        order = _sort(keys[training.split_by_order_of])[::-1]
    elif training.split_by is not None:
        order, cuts = _shuffle_groups(keys[training.split_by], cuts, random)
    else:
        order = random.permutation(rows)
    test, validation, train = np.split(order, cuts)
    if len(train) < MIN_TRAINING_ROWS:
        raise ConfigError(f"the groups of {key!r} leave fewer than {MIN_TRAINING_ROWS} rows for training")
    return RowSplit(np.sort(train), np.sort(validation), np.sort(test))


def _with_weight(split: RowSplit, weights: Weights) -> RowSplit:
    train, validation, test = (
        rows[weights[rows] > 0] for rows in (split.train, split.validation, split.test)
    )
    if len(train) < MIN_TRAINING_ROWS:
        raise ConfigError(f"{len(train)} training rows have a weight, fewer than {MIN_TRAINING_ROWS}")
    return RowSplit(train, validation, test)


def _sort(key: NDArray[np.object_]) -> NDArray[np.int64]:
    """Return the order of a key's cells: of numbers by value, of others as text; missing ones come first."""
    try:
        return np.argsort([-np.inf if cell is None else float(cell) for cell in key], kind="stable")
    except ValueError:
        return np.argsort(["" if cell is None else str(cell) for cell in key], kind="stable")


def _shuffle_groups(
    key: NDArray[np.object_], cuts: list[int], random: np.random.Generator
) -> tuple[NDArray[np.int64], list[int]]:
    """Shuffle the groups of rows with equal cells, and move cuts to where a group ends."""
    texts = np.array(["" if cell is None else str(cell) for cell in key])
    _, group, sizes = np.unique(texts, return_inverse=True, return_counts=True)
    shuffled = random.permutation(len(sizes))
    place = np.empty_like(shuffled)
    place[shuffled] = np.arange(len(sizes))
    ends = np.concatenate([[0], np.cumsum(sizes[shuffled])])
    moved = [int(ends[np.abs(ends - cut).argmin()]) for cut in cuts]
    return np.argsort(place[group], kind="stable"), moved
