"""Sorts the arrays of a file into tables, series and grids by their shapes and names.

Shapes: N rows, T steps, C channels, S steps of all rows together, H and W of a grid.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.problems import InvalidError, Place
from app.tables.channels.family import ChannelFamily
from app.tables.channels.names import check_families, check_kind, name_channels
from app.tables.channels.sizes import check_grid, check_lengths, check_size
from app.tables.columns.options import ReadOptions
from app.tables.table import MAX_NAME_LENGTH, TableLimits, array_blocks, check_number_type, rows_per_block
from catvq.names import escape_hidden

LENGTHS, VALUES, OFFSETS = ".lengths", ".values", ".offsets"
DIMENSIONS = {2: "tabular", 3: "series", 4: "grid"}  # of an array of which nothing else is said

Array = NDArray[Any]


@dataclass(frozen=True)
class Sorted:
    """The arrays of a file by what they are.

    Args:
        tables: Of numbers [N, features], by family.
        channels: Series and grids, by family.
    """

    tables: dict[str, Array] = field(default_factory=dict)
    channels: dict[str, ChannelFamily] = field(default_factory=dict)


def sort_arrays(arrays: Mapping[str, Array], options: ReadOptions, limits: TableLimits) -> Sorted:
    """Say what each array, or pair of arrays, of a file is.

    An array [N] or [N, features] is a table, [N, T, C] a series of one length, [N, C, H, W] a grid. `F` with
    `F.lengths` [N], or `F.values` [S, C] with `F.offsets` [N + 1], is a series of many lengths. `kinds=` says
    otherwise: [N, T] is a series of one channel then, [N, H, W] a grid of one.

    Raises:
        InvalidError: Half of a pair is missing, its numbers do not fit, an array is none of these, or it is
            more than the limits.
    """
    found = Sorted()
    families = _families(arrays)
    for name in families:
        if options.known is not None and name not in options.kinds and _is_channels(name, arrays):
            continue
        if (flat := arrays.get(name + VALUES)) is not None:
            series = _of_flat(name, flat, arrays[name + OFFSETS], options, limits)
        elif (lengths := arrays.get(name + LENGTHS)) is not None:
            series = _of_padded(name, arrays[name], _whole(name + LENGTHS, lengths), options, limits)
        else:
            kind = options.kinds.get(name) or _kind_of(name, arrays[name])
            if kind == "tabular":
                found.tables[name] = _as_table(name, arrays[name])
                continue
            found.channels[name] = (
                _of_padded(name, arrays[name], None, options, limits)
                if kind == "series"
                else _of_grids(name, arrays[name], options, limits)
            )
            continue
        check_kind(name, "series", options)
        found.channels[name] = series
    unread = families if options.known is not None else ()
    check_families(options, found.tables, found.channels, unread)
    return found


def _families(arrays: Mapping[str, Array]) -> list[str]:
    """Return the family of each array or pair, in the order of the file.

    Raises:
        InvalidError: Half of a pair is missing, or a family is there in two forms.
    """
    families: dict[str, None] = {}
    for name in arrays:
        for end, others in ((LENGTHS, ("",)), (VALUES, (OFFSETS,)), (OFFSETS, (VALUES,))):
            if not name.endswith(end) or name == end:
                continue
            family = name.removesuffix(end)
            lacking = [family + other for other in others if family + other not in arrays]
            if lacking:
                raise _refused(name, f"it needs {lacking[0]!r} beside it", "half_a_pair")
            if end != LENGTHS and (family in arrays or family + LENGTHS in arrays):
                raise _refused(family, "it is there twice: padded, and as values and offsets", "half_a_pair")
            name = family  # noqa: PLW2901 - the family that it is a part of
            break
        families[name] = None
    return list(families)


def _is_channels(name: str, arrays: Mapping[str, Array]) -> bool:
    return name + VALUES in arrays or name + LENGTHS in arrays or arrays[name].ndim > 2


def _kind_of(name: str, array: Array) -> str:
    kind = DIMENSIONS.get(max(2, array.ndim))
    if kind is None or array.ndim == 0:
        raise _refused(
            name,
            f"it has {array.ndim} dimensions; needed are two (rows, features), three (rows, steps, channels) "
            "or four (rows, channels, height, width)",
            "not_a_matrix",
        )
    return kind


def _as_table(name: str, array: Array) -> Array:
    check_number_type(array.dtype, name)
    if array.ndim == 1:
        return array[:, np.newaxis]
    if array.ndim != 2:
        raise _refused(name, f"a table has two dimensions, not {array.ndim}", "wrong_kind")
    return array


def _of_flat(
    name: str, values: Array, ends: Array, options: ReadOptions, limits: TableLimits
) -> ChannelFamily:
    """Take a series from values [S, C] or [S], and offsets [N + 1]."""
    check_number_type(values.dtype, name + VALUES)
    values = values[:, np.newaxis] if values.ndim == 1 else values
    if values.ndim != 2:
        raise _refused(
            name + VALUES, f"it needs [steps, channels], not {values.ndim} dimensions", "wrong_kind"
        )
    offsets = _whole(name + OFFSETS, ends)
    if not len(offsets) or offsets[0] != 0:
        raise _refused(name + OFFSETS, "its first number needs to be 0", "wrong_offsets")
    falls = np.flatnonzero(offsets[1:] < offsets[:-1])
    if len(falls):
        row = int(falls[0]) + 1
        detail = f"it falls from {offsets[row - 1]} to {offsets[row]} at row {row}"
        raise _refused(name + OFFSETS, detail, "wrong_offsets", row=row)
    if offsets[-1] != len(values):
        detail = f"it ends at {offsets[-1]}, but there are {len(values)} steps"
        raise _refused(name + OFFSETS, detail, "wrong_offsets")
    return _series(name, values.shape[1], np.diff(offsets), array_blocks(values), options, limits)


def _of_padded(
    name: str, array: Array, lengths: NDArray[np.int64] | None, options: ReadOptions, limits: TableLimits
) -> ChannelFamily:
    """Take a series from [N, T, C] or [N, T], of which each row may use only its first steps."""
    check_number_type(array.dtype, name)
    array = array[:, :, np.newaxis] if array.ndim == 2 else array
    if array.ndim != 3:
        raise _refused(
            name, f"a series needs [rows, steps, channels], not {array.ndim} dimensions", "wrong_kind"
        )
    rows, steps, width = array.shape
    if lengths is None:
        return _series(name, width, np.full(rows, steps), lambda: _cut_rows(array, None), options, limits)
    if len(lengths) != rows:
        detail = f"it has {len(lengths)} numbers for {rows} rows"
        raise _refused(name + LENGTHS, detail, "wrong_lengths")
    wrong = np.flatnonzero((lengths < 0) | (lengths > steps))
    if len(wrong):
        row = int(wrong[0]) + 1
        detail = f"row {row} has the length {lengths[row - 1]}; the array has {steps} steps"
        raise _refused(name + LENGTHS, detail, "wrong_lengths", row=row)
    return _series(name, width, lengths, lambda: _cut_rows(array, lengths), options, limits)


def _series(
    name: str,
    width: int,
    lengths: NDArray[np.int64],
    blocks: Callable[[], Iterator[Array]],
    options: ReadOptions,
    limits: TableLimits,
) -> ChannelFamily:
    channels = name_channels(name, width, options, limits)
    check_lengths(name, lengths, limits)
    check_size(name, int(lengths.sum()) * width, limits)
    return ChannelFamily("series", channels, len(lengths), blocks, lengths)


def _of_grids(name: str, array: Array, options: ReadOptions, limits: TableLimits) -> ChannelFamily:
    """Take grids from [N, C, H, W] or [N, H, W]."""
    check_number_type(array.dtype, name)
    array = array[:, np.newaxis] if array.ndim == 3 else array
    if array.ndim != 4:
        detail = f"a grid needs [rows, channels, height, width], not {array.ndim} dimensions"
        raise _refused(name, detail, "wrong_kind")
    rows, width, *shape = array.shape
    channels = name_channels(name, width, options, limits)
    grid = (shape[0], shape[1])
    check_grid(name, grid, limits)
    check_size(name, array.size, limits)
    return ChannelFamily("grid", channels, rows, array_blocks(array), shape=grid)


def _cut_rows(array: Array, lengths: NDArray[np.int64] | None) -> Iterator[Array]:
    """Yield the steps of some rows at a time, without what lies beyond their lengths."""
    step = rows_per_block(array[:1].size)
    for start in range(0, len(array), step):
        part = array[start : start + step]
        if lengths is None:
            yield part.reshape(-1, part.shape[2])
        else:
            yield part[np.arange(part.shape[1]) < lengths[start : start + step, np.newaxis]]


def _whole(name: str, numbers: Array) -> NDArray[np.int64]:
    """Return one dimension of whole numbers."""
    if numbers.ndim == 2 and numbers.shape[1] == 1:
        numbers = numbers[:, 0]
    if numbers.ndim != 1 or numbers.dtype.kind not in "iuf":
        detail = f"it needs whole numbers in one dimension, not {numbers.dtype} in {numbers.ndim}"
        raise _refused(name, detail, "not_integer")
    with np.errstate(invalid="ignore"):
        whole = numbers.astype(np.int64)
    wrong = np.flatnonzero(whole != numbers)
    if len(wrong):
        detail = f"its number {int(wrong[0]) + 1} is {numbers[wrong[0]]}, no whole number"
        raise _refused(name, detail, "not_integer")
    return whole


def _refused(name: str, detail: str, code: str, *, row: int | None = None) -> InvalidError:
    shown = escape_hidden(name[:MAX_NAME_LENGTH])
    return InvalidError(
        f"the array {shown!r}: {detail}", [Place(detail=detail, field=shown, row=row)], code=code
    )
