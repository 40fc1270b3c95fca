"""Reads HDF5: plain arrays at the top level, block by block; only `confined` children do so."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from app.problems import InvalidError, NotParseableError, Place
from app.tables.table import TableLimits, check_names, expands_too_much, rows_per_block

MAX_ARRAYS = 1000
MAX_CHUNK_BYTES = 256 << 20

Array = tuple[str, np.dtype[Any], int, Iterator[NDArray[Any]]]


def read_arrays(path: Path, limits: TableLimits) -> Iterator[Array]:
    """Yield name, type, width and blocks of every array.

    Raises:
        NotParseableError: It is no HDF5 file, or a damaged one.
        InvalidError: Something at the top is no plain matrix of real numbers, a name cannot be used, or there
            is too much.
    """
    with _readable(), h5py.File(path, "r") as file:
        if len(file) > MAX_ARRAYS:
            raise InvalidError(f"the file holds more than {MAX_ARRAYS} arrays", code="too_many_families")
        left = limits.max_expanded_bytes
        for name in check_names([_text(name) for name in file], limits, "families"):
            array = _plain_matrix(file, name)
            left -= math.prod(array.shape) * array.dtype.itemsize
            if left < 0:  # said, not yet unpacked
                raise expands_too_much(limits)
            width = 1 if array.ndim == 1 else array.shape[1]
            yield name, array.dtype.newbyteorder("="), width, _blocks(array, width)


def _text(name: str | bytes) -> str:
    """Return a name as text; the library leaves what is not UTF-8 as bytes."""
    return name if isinstance(name, str) else name.decode(errors="surrogateescape")


def _plain_matrix(file: h5py.File, name: str) -> Any:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise _refuse(name, f"{name!r} is a link to elsewhere")
    array = file[name]
    if not isinstance(array, h5py.Dataset) or array.is_virtual or array.external:
        raise _refuse(name, f"{name!r} is not a plain array; each family is one array at the top level")
    if array.dtype.kind not in "biuf":
        raise _refuse(name, f"the array {name!r} holds {array.dtype}, not real numbers", "not_numeric")
    if array.ndim not in {1, 2}:
        raise _refuse(name, f"the array {name!r} has {array.ndim} dimensions; it needs two")
    if array.chunks and math.prod(array.chunks) * array.dtype.itemsize > MAX_CHUNK_BYTES:
        detail = f"the array {name!r} is stored in chunks larger than {MAX_CHUNK_BYTES} bytes"
        raise _refuse(name, detail, "too_large")
    return array


def _refuse(name: str, detail: str, code: str = "not_a_matrix") -> InvalidError:
    return InvalidError(detail, [Place(detail=detail, field=name)], code=code)


def _blocks(array: Any, width: int) -> Iterator[NDArray[Any]]:
    if width == 0:
        yield np.empty(array.shape, array.dtype)
        return
    step = rows_per_block(width)
    for start in range(0, array.shape[0], step):
        with _readable():
            block = np.asarray(array[start : start + step]).reshape(-1, width)
        yield block


@contextmanager
def _readable() -> Iterator[None]:
    """Turn the library's complaints about a file into the API's."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, MemoryError) as error:
        raise NotParseableError(
            f"the body is not an HDF5 file that can be read: {str(error)[:200]}"
        ) from None
