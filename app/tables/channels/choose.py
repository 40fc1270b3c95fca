"""Chooses among the series and grids that are beside a table."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.tables.channels.family import ChannelFamily, feature_names
from app.tables.columns.options import ReadOptions
from app.tables.table import AS_ASKED, LeftOut, Table, TableLimits, check_names, rows_per_block


def choose_channels(table: Table, options: ReadOptions, limits: TableLimits) -> Table:
    """Return a table with those of its series and grids that are wanted.

    Raises:
        InvalidError: Names of features repeat or cannot be used, or there are too many.
    """
    if not table.channels:
        return table
    wanted, left_out = _choose(table.channels, options)
    names = [name for family, found in wanted.items() for name in feature_names(family, found.channels)]
    check_names([*table.columns, *names], limits)
    rows = next(iter(table.channels.values())).rows
    return replace(
        table,
        channels=wanted,
        blocks=table.blocks if table.columns else lambda: _no_columns(rows),
        left_out=(*table.left_out, *left_out),
    )


def _choose(
    channels: Mapping[str, ChannelFamily], options: ReadOptions
) -> tuple[dict[str, ChannelFamily], list[LeftOut]]:
    if options.known is not None:
        return {family: _without(found, options) for family, found in channels.items()}, []
    wanted: dict[str, ChannelFamily] = {}
    left_out: list[LeftOut] = []
    for family, found in channels.items():
        names = feature_names(family, found.channels)
        places = [place for place, name in enumerate(names) if options.is_wanted(name, family)]
        left_out += [LeftOut(names[place], AS_ASKED) for place in range(len(names)) if place not in places]
        if places:
            wanted[family] = _without(found.select(places), options)
    return wanted, left_out


def _without(found: ChannelFamily, options: ReadOptions) -> ChannelFamily:
    """Return a family in which numbers that stand for missing ones are NaN."""
    numbers = options.missing_numbers
    if not numbers:
        return found

    def blocks() -> Iterator[NDArray[Any]]:
        for block in found.blocks():
            yield np.where(np.isin(block, numbers), np.nan, block)

    return replace(found, blocks=blocks)


def _no_columns(rows: int) -> Iterator[NDArray[Any]]:
    step = rows_per_block(0)
    return (np.empty((min(step, rows - start), 0)) for start in range(0, rows, step))
