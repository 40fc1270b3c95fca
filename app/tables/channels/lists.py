"""Columns of lists: how long they are, and their values.

Shapes: N rows, C channels, H and W of a grid.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from app.problems import InvalidError, Place
from app.tables.columns.text_cells import is_number

MISSING = -1  # the length of a list that is not there
MAX_DEPTH = 3  # lists in lists in a column: the channels, rows and columns of a grid

Arrays = Callable[[], Iterable[pa.Array]]


@dataclass(frozen=True)
class Lists:
    """What is known of a column of lists after a look at all of them.

    Args:
        depth: Lists in lists; 1: lists of numbers.
        lengths: Of the outermost lists, int64 [N], `MISSING` where there is none.
        sizes: Of the lists within, from the outside to the inside, all of one size each; 0 where there is
            none.
    """

    depth: int
    lengths: NDArray[np.int64]
    sizes: tuple[int, ...]

    @property
    def lengths_seen(self) -> set[int]:
        """The different lengths of the lists that hold something."""
        return set(np.unique(self.lengths).tolist()) - {MISSING, 0}


def depth_of(kind: pa.DataType) -> int | None:
    """Return how many lists are in lists, down to numbers; None where a type is something else."""
    if isinstance(kind, pa.FixedShapeTensorType):
        return (len(kind.shape) or None) if is_number(kind.value_type) else None
    depth = 0
    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        depth, kind = depth + 1, kind.value_type
    return depth if depth and is_number(kind) else None


def look_at_lists(name: str, kind: pa.DataType, arrays: Iterable[pa.Array]) -> Lists:
    """Look at every list of a column.

    Raises:
        InvalidError: Lists within others differ in their length.
    """
    depth = depth_of(kind) or 0
    lengths: list[NDArray[np.int64]] = []
    sizes: list[int] = [0] * (depth - 1)
    is_seen = [False] * (depth - 1)  # whether a list is there that tells the size
    row = 0
    for array in arrays:
        if isinstance(kind, pa.FixedShapeTensorType):
            first, *sizes = _logical_shape(kind)
            lengths.append(np.where(array.is_valid(), first, MISSING))
            continue
        lengths.append(_lengths(array))
        ends = row + np.cumsum(lengths[-1].clip(min=0))
        for level in range(depth - 1):
            array = array.flatten()  # noqa: PLW2901 - the lists within
            inner = _lengths(array)
            inner = inner[inner != MISSING]
            if len(inner) and not is_seen[level]:
                sizes[level], is_seen[level] = int(inner[0]), True
            if (inner != sizes[level]).any():
                at = int((inner != sizes[level]).argmax())
                place = int(np.searchsorted(ends - row, at, side="right")) if not level else None
                raise _differ(
                    name, {sizes[level], int(inner[at])}, None if place is None else row + place + 1
                )
        row += len(lengths[-1])
    all_lengths = np.concatenate([np.empty(0, np.int64), *lengths])
    return Lists(depth, all_lengths, tuple(sizes))


def read_steps(kind: pa.DataType, arrays: Iterable[pa.Array], width: int) -> Iterator[NDArray[Any]]:
    """Yield what lists hold, one after the other, [steps, width]; missing lists hold nothing."""
    for array in arrays:
        if isinstance(kind, pa.FixedShapeTensorType):
            steps = _tensors(kind, array.drop_null())
            yield steps.reshape(steps.shape[0] * steps.shape[1], width)
        elif depth_of(kind) == 1:
            yield _dense(array.flatten(), ()).reshape(-1, width)
        else:
            yield _dense(array.flatten(), (width,))


def read_grids(
    kind: pa.DataType, arrays: Iterable[pa.Array], shape: tuple[int, int, int]
) -> Iterator[NDArray[Any]]:
    """Yield grids [rows, C, H, W]; missing ones are NaN throughout."""
    for array in arrays:
        if isinstance(kind, pa.FixedShapeTensorType):
            yield _tensors(kind, array).reshape(-1, *shape)
        else:
            yield _dense(array, shape[-(depth_of(kind) or 0) :]).reshape(-1, *shape)


def lists_differ(name: str, widths: Iterable[int], row: int | None, hint: str) -> InvalidError:
    """Return the refusal of lists that should be equally long."""
    listed = " and of ".join(map(str, sorted(widths)[:2]))
    place = Place(detail=f"lists of {listed} numbers", column=name, row=row)
    return InvalidError(
        f"column {name!r} holds lists that differ in length, {place.detail}; {hint}",
        [place],
        code="lists_differ",
    )


def _differ(name: str, widths: set[int], row: int | None) -> InvalidError:
    return lists_differ(name, widths, row, "those within the lists of a row need one length")


def _lengths(array: pa.Array) -> NDArray[np.int64]:
    lengths = pc.fill_null(pc.list_value_length(array).cast(pa.int64()), MISSING)
    return np.asarray(lengths.to_numpy(zero_copy_only=False))


def _dense(array: pa.Array, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return lists that all have one shape as an array [lists, *shape]; those that are missing are NaN."""
    if not shape:
        kind = pa.float32() if types.is_float32(array.type) or types.is_float16(array.type) else pa.float64()
        numbers: NDArray[Any] = array.cast(kind, safe=False).to_numpy(zero_copy_only=False)
        return numbers
    inner = _dense(array.flatten(), shape[1:]).reshape(len(array) - array.null_count, *shape)
    if array.null_count == 0:
        return inner
    whole = np.full((len(array), *shape), np.nan, inner.dtype)
    whole[np.asarray(array.is_valid())] = inner
    return whole


def _tensors(kind: pa.FixedShapeTensorType, array: pa.Array) -> NDArray[Any]:
    """Return tensors [rows, ...] with their dimensions in the order that is meant."""
    shape = tuple(kind.shape)
    flat = _dense(array.storage, (int(np.prod(shape)),)).reshape(len(array), *shape)
    order = kind.permutation or range(len(shape))
    return flat.transpose(0, *(place + 1 for place in order))


def _logical_shape(kind: pa.FixedShapeTensorType) -> list[int]:
    return [kind.shape[place] for place in kind.permutation or range(len(kind.shape))]
