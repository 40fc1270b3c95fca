"""The process that `confined` starts: copies what a file holds into one scratch file, within limits.

Usage: python -m app.tables.sandbox.child KIND FILE TARGET LIMITS, with the options of reading on standard
input. Writes one JSON object to standard output; a damaged file may end
the process in any way.
"""

import json
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.problems import ApiError
from app.tables.columns.options import ReadOptions
from app.tables.table import Table, TableLimits, expands_too_much

MEMORY_BYTES = 3 << 30  # address space, of which the libraries alone take a good part
ALIGNMENT = 64

Answer = dict[str, Any]


class ArrayFile:
    """Arrays one after the other in a file.

    Args:
        file: Where they go.
        limits: What they may take together, as float32 or in their own type, whichever is less.
    """

    def __init__(self, file: BinaryIO, limits: TableLimits) -> None:
        self._file = file
        self._limits = limits
        self._left = limits.max_expanded_bytes
        self.entries: list[dict[str, Any]] = []

    def append(
        self, name: str, dtype: np.dtype[Any], shape: Sequence[int], blocks: Iterator[NDArray[Any]]
    ) -> None:
        """Write an array that comes in blocks of rows.

        Args:
            shape: Of one row.

        Raises:
            TooLargeError: It is too large.
        """
        offset = self._file.tell()
        rows = 0
        for block in blocks:
            self._left -= block.size * min(dtype.itemsize, 4)
            if self._left < 0:
                raise expands_too_much(self._limits)
            self._file.write(np.ascontiguousarray(block, dtype).data)
            rows += block.shape[0]
        self.entries.append({"name": name, "dtype": dtype.str, "shape": [rows, *shape], "offset": offset})
        self._file.write(bytes(-self._file.tell() % ALIGNMENT))


def copy_table(read: str, path: Path, arrays: ArrayFile, options: ReadOptions, limits: TableLimits) -> Answer:
    """Copy the features and keys of a table; return what it says of itself."""
    from app.tables.readers import arrow_reader  # noqa: PLC0415 - the other kind does not need it

    with path.open("rb") as file:
        table: Table = getattr(arrow_reader, read)(file, options, limits)
        arrays.append("", np.dtype(np.float64), [len(table.columns)], table.blocks())
        for cells in table.keys.values():
            lengths = pc.fill_null(pc.binary_length(cells), -1).to_numpy()
            characters = np.frombuffer("".join(filter(None, cells.to_pylist())).encode(), np.uint8)
            arrays.append("", np.dtype(np.int32), [1], iter([lengths[:, None]]))
            arrays.append("", np.dtype(np.uint8), [1], iter([characters[:, None]]))
        for family in table.channels.values():
            blocks = family.blocks()
            first = next(blocks, np.empty((0, *family.stored_shape[1:]), np.float32))
            arrays.append("", first.dtype, family.stored_shape[1:], chain([first], blocks))
            if family.lengths is not None:
                arrays.append("", np.dtype(np.int64), [], iter([family.lengths]))
    return {
        "columns": table.columns,
        "values_of": dict(table.values_of),
        "origins": dict(table.origins),
        "keys": list(table.keys),
        "channels": [
            {"family": name, "kind": family.kind, "channels": family.channels, "shape": family.shape}
            for name, family in table.channels.items()
        ],
        "left_out": [asdict(column) for column in table.left_out],
        "remarks": [asdict(remark) for remark in table.remarks],
    }


def copy_hdf5(path: Path, arrays: ArrayFile, options: ReadOptions, limits: TableLimits) -> Answer:
    """Copy every array of an HDF5 file, which has no columns."""
    from app.tables.readers.hdf5_reader import ArrayNotes, read_arrays  # noqa: PLC0415 - as above

    del options
    notes = ArrayNotes()
    for name, dtype, shape, blocks in read_arrays(path, notes, limits):
        arrays.append(name, dtype, shape, blocks)
    return {
        "left_out": [asdict(column) for column in notes.left_out],
        "remarks": [asdict(remark) for remark in notes.remarks],
    }


COPIERS: dict[str, Callable[[Path, ArrayFile, ReadOptions, TableLimits], Answer]] = {
    "parquet": partial(copy_table, "read_parquet"),
    "arrow": partial(copy_table, "read_referring_arrow"),
    "arrow_file": partial(copy_table, "read_arrow_file"),
    "hdf5": copy_hdf5,
}


def main() -> None:
    """Copy, and say what was copied or why not."""
    kind, source, target, given = sys.argv[1:]
    limits = TableLimits(**(json.loads(given) | {"scratch_dir": Path(target).parent}))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with Path(target).open("wb") as file:
            arrays = ArrayFile(file, limits)
            answer = COPIERS[kind](Path(source), arrays, ReadOptions.load(sys.stdin.read()), limits)
        answer["arrays"] = arrays.entries
    except ApiError as error:
        places = [asdict(place) for place in error.places]
        answer = {"refused": error.detail, "status": error.status, "code": error.code, "places": places}
    except OSError as error:  # of the copy; what is wrong with the file itself is an ApiError by now
        answer = {"errno": error.errno}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
