"""Decides what a column of lists is: features, a series or a grid.

Shapes: N rows, C channels, H and W of a grid.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.problems import InvalidError, Place
from app.tables.channels.family import ChannelFamily
from app.tables.channels.lists import (
    MISSING,
    Arrays,
    Lists,
    lists_differ,
    read_grids,
    read_steps,
)
from app.tables.channels.names import check_kind, name_channels
from app.tables.channels.sizes import check_grid, check_lengths, check_size
from app.tables.columns.options import FamilyKind, ReadOptions
from app.tables.table import TableLimits, check_width


def kind_of_lists(name: str, lists: Lists, options: ReadOptions) -> FamilyKind:
    """Return what a column of lists is: as it was said, else by its shape.

    Raises:
        InvalidError: It cannot be what it was said to be.
    """
    by_depth: dict[int, tuple[FamilyKind, ...]] = {
        1: ("tabular", "series"),
        2: ("series", "grid"),
        3: ("grid",),
    }
    possible = by_depth[lists.depth]
    default = possible[0] if len(lists.lengths_seen) <= 1 or lists.depth > 1 else "series"
    asked = options.kinds.get(name, default)
    if asked not in possible:
        check_kind(name, default, options)
    return asked


def width_of_lists(name: str, lists: Lists, limits: TableLimits) -> int:
    """Return how many numbers each list of a column has; missing and empty ones hold none.

    Raises:
        InvalidError: Lists differ in their length, or are too long.
    """
    if len(lists.lengths_seen) > 1:
        first = next(length for length in lists.lengths.tolist() if length > 0)
        row = int(((lists.lengths > 0) & (lists.lengths != first)).argmax())
        hint = f'they are a series: kinds={{"{name}": "series"}}, or types={{"{name}": "ignore"}}'
        raise lists_differ(name, {first, int(lists.lengths[row])}, row + 1, hint)
    width = max(lists.lengths_seen, default=0)
    check_width(max(1, width), limits)
    return width


def family_of_lists(
    name: str, kind: pa.DataType, arrays: Arrays, lists: Lists, options: ReadOptions, limits: TableLimits
) -> ChannelFamily:
    """Return a column of lists as the series or grid that it is.

    Raises:
        InvalidError: Grids differ in their shape, a wrong number of channels was named, or it is more than
            the limits.
    """
    if kind_of_lists(name, lists, options) == "series":
        return _series(name, kind, arrays, lists, options, limits)
    shape = _shape_of_grids(name, lists)
    channels = name_channels(name, shape[0], options, limits)
    check_grid(name, shape[1:], limits)
    check_size(name, len(lists.lengths) * shape[0] * shape[1] * shape[2], limits)
    return ChannelFamily(
        "grid", channels, len(lists.lengths), lambda: read_grids(kind, arrays(), shape), shape=shape[1:]
    )


def _series(
    name: str, kind: pa.DataType, arrays: Arrays, lists: Lists, options: ReadOptions, limits: TableLimits
) -> ChannelFamily:
    lengths: NDArray[np.int64] = lists.lengths.clip(min=0)
    # Where no list holds anything, only the names tell how many channels there are.
    unknown = len(options.channels.get(name, ("0",)))
    width = 1 if lists.depth == 1 else lists.sizes[0] or (unknown if not lengths.any() else 0)
    channels = name_channels(name, width, options, limits)
    check_lengths(name, lengths, limits)
    check_size(name, int(lengths.sum()) * width, limits)

    def blocks() -> Iterator[NDArray[np.floating]]:
        return read_steps(kind, arrays(), width)

    return ChannelFamily("series", channels, len(lengths), blocks, lengths)


def _shape_of_grids(name: str, lists: Lists) -> tuple[int, int, int]:
    """Return [C, H, W] of all grids of a column."""
    there = lists.lengths[lists.lengths != MISSING]
    if len(set(there.tolist())) > 1:
        row = int(((lists.lengths != MISSING) & (lists.lengths != there[0])).argmax()) + 1
        detail = f"a grid of the length {lists.lengths[row - 1]}, where others have {there[0]}"
        place = Place(detail=detail, column=name, row=row)
        raise InvalidError(f"column {name!r}, row {row}: {detail}", [place], code="wrong_grid")
    sizes = (int(there[0]) if len(there) else 0, *lists.sizes)
    return (1, *sizes) if len(sizes) == 2 else (sizes[0], sizes[1], sizes[2])
