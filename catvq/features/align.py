"""Brings another table to the features of the one that is learnt from, so that it can validate or test."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catvq.errors import ConfigError
from catvq.features.origins import find_delays
from catvq.features.precision import Values
from catvq.features.sequences import Grids, Sequences
from catvq.features.spooled import blocks, gather_columns, new_array
from catvq.features.table import FeatureTable


def align(other: FeatureTable, table: FeatureTable) -> FeatureTable:
    """Return the rows of another table with the features of a table, its type, indices of values and origins.

    Nothing is copied where that is so already.

    Raises:
        ConfigError: A feature is not in the other table, is of another kind there, or has values there that
            it does not have here.
    """
    place = {name: index for index, name in enumerate(other.features)}
    missing = [name for name in table.features if name not in place]
    if missing:
        raise ConfigError(f"a table that validates or tests has no feature {missing[0]!r}")
    tabular = table.features[: table.values.shape[1]]
    values, columns = other.values, [place[name] for name in tabular]
    index_of: dict[int, NDArray[np.float64]] = {}
    for number, name in enumerate(tabular):
        own, given = table.values_of.get(name), other.values_of.get(name)
        is_alike = (own is None) == (given is None) and set(given or ()) <= set(own or ())
        if not is_alike or columns[number] >= values.shape[1]:
            raise ConfigError(f"feature {name!r} has other values in a table that validates or tests")
        if own is not None and given is not None and own != given:
            index_of[number] = np.array([own.index(value) for value in given], dtype=np.float64)
    if columns != list(range(values.shape[1])) or values.dtype != table.values.dtype or index_of:
        with np.errstate(over="ignore"):  # what is beyond float32 is held within the bounds, as infinite
            values = gather_columns(values, np.array(columns, np.int64), table.values.dtype, other.spool_dir)
    for number, index in index_of.items():
        is_there = ~np.isnan(values[:, number])
        values[is_there, number] = index[values[is_there, number].astype(np.int64)]
    delays = find_delays(tabular, table.origins, other.origins)
    if delays.any():
        values = _later(values, delays, table.values.dtype, other.spool_dir)
    others = {family: _align_family(other, table, family) for family in table.others}
    return replace(
        table,
        values=values,
        keys={},
        weights=other.weights,
        others=others,
        held_out={},
        spool_dir=other.spool_dir,
    )


def _later(
    values: Values, delays: NDArray[np.float64], dtype: np.dtype[Any], directory: Path | None
) -> Values:
    """Values with so many seconds added to each column."""
    found = new_array(values.shape, dtype, directory)
    for block in blocks(*values.shape):
        found[block] = values[block].astype(np.float64) + delays
    return found


def _align_family(other: FeatureTable, table: FeatureTable, family: str) -> Sequences:
    """The series or grids of another table with the channels of a table."""
    own, given = table.others[family], other.others.get(family)
    is_alike = type(own) is type(given)
    if isinstance(own, Grids) and isinstance(given, Grids):
        is_alike = own.shape == given.shape
    channels = list(other.families.get(family, ()))
    if given is None or not is_alike or not set(table.families[family]) <= set(channels):
        raise ConfigError(f"family {family!r} is of another kind in a table that validates or tests")
    order = [channels.index(name) for name in table.families[family]]
    return given if order == list(range(len(channels))) else given.select(np.array(order))
