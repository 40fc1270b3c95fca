"""Reads HDF5: plain arrays by their path, block by block; only `sandbox` children do so."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from app.problems import InvalidError, NotParseableError, Place
from app.tables.channels.arrays import OFFSETS, VALUES
from app.tables.table import LeftOut, TableLimits, Warned, check_names, expands_too_much, rows_per_block
from catvq.names import escape_hidden

MAX_ARRAYS = 1000
MAX_DEPTH = 16
_FRAME_AXIS = re.compile(r"axis\d+(_(level|label|codes)\d+)?")  # as pandas names them
MAX_DIMENSIONS = 4
ROWS_OF_LISTS = 1024  # at a time: each is an array of its own in memory
MAX_CHUNK_BYTES = 256 << 20

Array = tuple[str, np.dtype[Any], tuple[int, ...], Iterator[NDArray[Any]]]


@dataclass
class ArrayNotes:
    """What is to be said about the arrays of a file beside their values."""

    left_out: list[LeftOut] = field(default_factory=list)
    remarks: list[Warned] = field(default_factory=list)


def read_arrays(path: Path, notes: ArrayNotes, limits: TableLimits) -> Iterator[Array]:
    """Yield name, type, shape of a row and blocks of every array of numbers; the others are left out.

    An array of lists that each have a length of their own is yielded as its values and its offsets.

    The fill values, scales and offsets that netCDF writes as attributes are applied.

    Raises:
        NotParseableError: It is no HDF5 file, or a damaged one.
        InvalidError: There is no such array, a name cannot be used, or there is too much.
    """
    with _readable(), h5py.File(path, "r") as file:
        arrays = dict(_find_arrays(file, "", notes, count(1), depth=0))
        if not arrays:
            places = [Place(detail=column.reason, field=column.name) for column in notes.left_out]
            first = f": {places[0].field!r} is left out, {places[0].detail}" if places else ""
            raise InvalidError(
                f"the file holds no array of numbers in rows{first}", places, code="not_a_matrix"
            )
        left = limits.max_expanded_bytes
        for name in check_names(list(arrays), limits, "families"):
            array = arrays[name]
            left -= math.prod(array.shape) * array.dtype.itemsize
            if left < 0:  # said, not yet unpacked
                raise expands_too_much(limits)
            if (kind := _type_of_lists(array)) is not None:
                yield from _lists(name, array, kind)
                continue
            shape = array.shape[1:]
            coding = _Coding.of(array)
            if coding.changes:
                detail = f"the array {name!r} is read by its attributes {coding.names}"
                notes.remarks.append(Warned("attributes", detail, name))
                yield name, np.dtype(np.float64), shape, map(coding.apply, _blocks(array))
            else:
                yield name, array.dtype.newbyteorder("="), shape, _blocks(array)


@dataclass(frozen=True)
class _Coding:
    """How netCDF keeps numbers: their type, what stands for missing ones, and how the others are scaled."""

    dtype: np.dtype[Any]
    fills: tuple[float, ...]
    scale: float
    offset: float
    names: str

    @classmethod
    def of(cls, array: Any) -> "_Coding":
        found = {
            name: values
            for name in ("_FillValue", "missing_value", "scale_factor", "add_offset")
            if name in array.attrs
            and (values := np.asarray(array.attrs[name]).ravel()).dtype.kind in "biuf"
            and values.size
        }
        dtype = _signed_or_not(array)
        if dtype != array.dtype:
            found["_Unsigned"] = np.empty(0)
        fills = [value for name in ("_FillValue", "missing_value") for value in found.get(name, ())]
        if dtype.kind != array.dtype.kind:  # those of the type that is stored mean what the values mean
            fills = [
                value.view(dtype) if value.dtype == array.dtype.newbyteorder("=") else value
                for value in fills
            ]
        if array.dtype.kind == "f":  # a fill value of another type is stored rounded to this one
            with np.errstate(over="ignore"):
                fills += [array.dtype.type(value) for value in fills]
        return cls(
            dtype,
            tuple(float(value) for value in fills),
            float(found["scale_factor"][0]) if "scale_factor" in found else 1.0,
            float(found["add_offset"][0]) if "add_offset" in found else 0.0,
            ", ".join(found),
        )

    @property
    def changes(self) -> bool:
        return bool(self.names)

    def apply(self, block: NDArray[Any]) -> NDArray[np.float64]:
        stored = block.astype(block.dtype.newbyteorder("="), copy=False)
        values = stored.view(self.dtype).astype(np.float64)
        is_missing = np.isin(values, self.fills)
        return np.where(is_missing, np.nan, values * self.scale + self.offset)


def _signed_or_not(array: Any) -> np.dtype[Any]:
    """The type of an array, of the other sign if `_Unsigned` says so: old netCDF lacks unsigned types."""
    dtype: np.dtype[Any] = array.dtype.newbyteorder("=")
    said = np.asarray(array.attrs.get("_Unsigned", "")).ravel()[:1].astype(str).tolist()
    other = {("i", "true"): "u", ("u", "false"): "i"}.get((dtype.kind, "".join(said).lower()))
    return dtype if other is None else np.dtype(f"{other}{dtype.itemsize}")


def _find_arrays(
    group: h5py.Group, path: str, notes: ArrayNotes, seen: Iterator[int], *, depth: int
) -> Iterator[tuple[str, Any]]:
    is_frame = "pandas_type" in group.attrs
    for key in group:
        if next(seen) > MAX_ARRAYS:
            raise InvalidError(f"the file holds more than {MAX_ARRAYS} arrays", code="too_many_families")
        name = f"{path}{_text(key)}"
        shown = escape_hidden(name)
        if group.id.links.get_info(key.encode() if isinstance(key, str) else key).type != h5py.h5l.TYPE_HARD:
            notes.left_out.append(LeftOut(shown, "it is a link to elsewhere"))
            continue
        item = group[key]
        if isinstance(item, h5py.Group) and depth < MAX_DEPTH:
            yield from _find_arrays(item, f"{name}/", notes, seen, depth=depth + 1)
        elif (reason := _fault_of(item)) is not None:
            notes.left_out.append(LeftOut(shown, reason))
        elif is_frame and _FRAME_AXIS.fullmatch(_text(key)):
            notes.left_out.append(LeftOut(shown, "it is a stored index"))
        else:
            yield name, item


def _text(name: str | bytes) -> str:
    """Return a name as text; the library leaves what is not UTF-8 as bytes."""
    return name if isinstance(name, str) else name.decode(errors="surrogateescape")


def _fault_of(array: Any) -> str | None:  # noqa: PLR0911 - one for each fault
    """Say why something is not read; None where it is."""
    if not isinstance(array, h5py.Dataset) or array.is_virtual or array.external:
        return "it is not a plain array"
    if array.attrs.get("CLASS") in {b"DIMENSION_SCALE", "DIMENSION_SCALE"}:
        return "it is the scale of a dimension"
    if (lists := _type_of_lists(array)) is not None:
        is_read = lists.kind in "biuf" and array.ndim == 1
        return None if is_read else "its lists hold something else than numbers, or are several in each row"
    if array.dtype.kind not in "biuf":
        return f"it holds {array.dtype}, not real numbers"
    if not 1 <= array.ndim <= MAX_DIMENSIONS:
        return f"it has {array.ndim} dimensions; needed are one to {MAX_DIMENSIONS}, the first of them rows"
    if array.chunks and math.prod(array.chunks) * array.dtype.itemsize > MAX_CHUNK_BYTES:
        return f"it is stored in chunks larger than {MAX_CHUNK_BYTES} bytes"
    return None


def _type_of_lists(array: Any) -> np.dtype[Any] | None:
    kind = h5py.check_vlen_dtype(array.dtype)  # of text a class
    return kind if isinstance(kind, np.dtype) else None


def _blocks(array: Any) -> Iterator[NDArray[Any]]:
    if math.prod(array.shape[1:]) == 0:
        yield np.empty(array.shape, array.dtype)
        return
    step = rows_per_block(math.prod(array.shape[1:]))
    for start in range(0, array.shape[0], step):
        with _readable():
            block = np.asarray(array[start : start + step])
        yield block


def _lists(name: str, array: Any, kind: np.dtype[Any]) -> Iterator[Array]:
    """Yield the values of lists one after the other, then where each list begins and ends."""
    lengths: list[int] = []

    def values() -> Iterator[NDArray[Any]]:
        for start in range(0, array.shape[0], ROWS_OF_LISTS):
            with _readable():
                lists = array[start : start + ROWS_OF_LISTS]
            lengths.extend(map(len, lists))
            yield np.concatenate([np.empty(0, kind), *lists]).astype(kind)

    yield f"{name}{VALUES}", kind.newbyteorder("="), (), values()
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    yield f"{name}{OFFSETS}", np.dtype(np.int64), (), iter([offsets])


@contextmanager
def _readable() -> Iterator[None]:
    """Turn the library's complaints about a file into the API's."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        raise NotParseableError(
            f"the body is not an HDF5 file that can be read: {str(error)[:200]}"
        ) from None
