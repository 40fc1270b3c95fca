"""Arrays with something for every row of a table, which lie in a file where they are too large for memory.

A mapped array is read and written as any other; its pages are the system's to take back. The file has no
name: it is gone with its last reader, however that ends.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

IN_MEMORY_BYTES = 2**26  # up to here a file saves nothing
BLOCK_CELLS = 2**20  # copied at once


def new_array(shape: tuple[int, int], dtype: DTypeLike, directory: Path | None = None) -> NDArray[Any]:
    """Return an array whose values are still to be written.

    Args:
        shape: Of it.
        dtype: Of its values.
        directory: Where its file lies if it has one; the system's for temporary files when not given.

    Raises:
        OSError: The disk has no room for it.
    """
    size_bytes = shape[0] * shape[1] * np.dtype(dtype).itemsize
    if size_bytes <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(dir=directory) as file:
        if hasattr(os, "posix_fallocate"):
            # All room is taken now: a page that finds none later would end the process.
            os.posix_fallocate(file.fileno(), 0, size_bytes)
        return np.memmap(file, dtype, "r+", shape=shape)


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Divide rows into blocks that follow one another and are small beside memory."""
    height = max(1, BLOCK_CELLS // max(1, columns))
    return (slice(start, start + height) for start in range(0, rows, height))


def gather(values: NDArray[Any], rows: NDArray[np.int64], directory: Path | None = None) -> NDArray[Any]:
    """Return `values[rows]` of a matrix."""
    found = new_array((len(rows), values.shape[1]), values.dtype, directory)
    for block in blocks(*found.shape):
        found[block] = values[rows[block]]
    return found


def gather_columns(
    values: NDArray[Any], columns: NDArray[np.int64], dtype: DTypeLike, directory: Path | None = None
) -> NDArray[Any]:
    """Return `values[:, columns].astype(dtype)` of a matrix."""
    found = new_array((len(values), len(columns)), dtype, directory)
    for block in blocks(*found.shape):
        found[block] = values[block][:, columns]
    return found
