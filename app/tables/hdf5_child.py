"""The process that `hdf5_reader` starts: copies the arrays of an HDF5 file into NPY files.

Usage: python -m app.tables.hdf5_child FILE DIRECTORY MAX_BYTES. Writes one JSON object to standard output.
"""

import json
import math
import resource
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from app.tables.table import rows_per_block

MAX_ARRAYS = 1000
MAX_CHUNK_BYTES = 256 << 20
MEMORY_BYTES = 4 << 30  # address space, of which the libraries alone take a good part


class Refusal(Exception):  # noqa: N818 - the answer, not a defect
    """The file can be read, but holds something that cannot be used; array is the one at fault."""

    def __init__(self, text: str, code: str, array: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.array = array


def copy_arrays(source: Path, directory: Path, max_bytes: int) -> dict[str, str]:
    """Copy every array at the top of an HDF5 file; return the file of each.

    Raises:
        Refusal: Something at the top is no plain matrix of real numbers, or there is too much.
    """
    copied: dict[str, str] = {}
    with h5py.File(source, "r") as file:
        if len(file) > MAX_ARRAYS:
            raise Refusal(f"the file holds more than {MAX_ARRAYS} arrays", "too_many_families")
        for name in file:
            array = _plain_matrix(file, name)
            max_bytes -= math.prod(array.shape) * array.dtype.itemsize
            if max_bytes < 0:
                raise Refusal("the file unpacks to more than the limit", "too_large")
            copied[name] = f"{len(copied)}.npy"
            _copy(array, directory / copied[name])
    return copied


def _plain_matrix(file: h5py.File, name: str) -> Any:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise Refusal(f"{name!r} is a link to elsewhere", "not_a_matrix", name)
    array = file[name]
    if not isinstance(array, h5py.Dataset) or array.is_virtual or array.external:
        raise Refusal(
            f"{name!r} is not a plain array; each family is one array at the top level", "not_a_matrix", name
        )
    if array.dtype.kind not in "biuf":
        raise Refusal(f"the array {name!r} holds {array.dtype}, not real numbers", "not_numeric", name)
    if array.ndim not in {1, 2}:
        raise Refusal(f"the array {name!r} has {array.ndim} dimensions; it needs two", "not_a_matrix", name)
    if array.chunks and math.prod(array.chunks) * array.dtype.itemsize > MAX_CHUNK_BYTES:
        raise Refusal(
            f"the array {name!r} is stored in chunks larger than {MAX_CHUNK_BYTES} bytes", "too_large", name
        )
    return array


def _copy(array: Any, path: Path) -> None:
    shape = (array.shape[0], 1) if array.ndim == 1 else array.shape
    if 0 in shape:
        np.save(path, np.empty(shape, np.float32))
        return
    target = np.lib.format.open_memmap(path, mode="w+", dtype=array.dtype.newbyteorder("="), shape=shape)
    step = rows_per_block(shape[1])
    for start in range(0, shape[0], step):
        target[start : start + step] = array[start : start + step].reshape(-1, shape[1])


def main() -> None:
    """Copy, and say what was copied or why not; a damaged file ends the process with a traceback."""
    source, directory, max_bytes = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        answer: dict[str, Any] = {"arrays": copy_arrays(Path(source), Path(directory), int(max_bytes))}
    except Refusal as refusal:
        answer = {"invalid": str(refusal), "code": refusal.code, "array": refusal.array}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
