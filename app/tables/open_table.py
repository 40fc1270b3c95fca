"""Opens an upload in whichever format it came, and reads it as far as is needed."""

from importlib import import_module
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from app.formats import Format
from app.problems import TooLargeError
from app.tables.table import Table, TableLimits

ENCODE_ELSEWHERE = "send them in several requests, or as a dataset to POST .../encoding-jobs"

# Module and function: loaded on first use, as most processes only ever read JSON and NPY.
_READERS = {
    Format.CSV: ("readers.csv_reader", "read_csv"),
    Format.PARQUET: ("sandbox.confined", "read_parquet"),
    Format.ARROW: ("readers.arrow_reader", "read_arrow"),
    Format.NPY: ("readers.numpy_reader", "read_npy"),
    Format.NPZ: ("readers.numpy_reader", "read_npz"),
    Format.HDF5: ("sandbox.confined", "read_hdf5"),
    Format.JSON: ("readers.json_reader", "read_json"),
}


def open_table(file: BinaryIO, file_format: Format, limits: TableLimits) -> Table:
    """Read a table's columns; its rows are read when its blocks are.

    Raises:
        NotParseableError: The file is damaged, or not of this format.
        InvalidError: It holds something else than a table of numbers.
    """
    module, function = _READERS[file_format]
    table: Table = getattr(import_module(f"app.tables.{module}"), function)(file, limits)
    return table


def as_single_floats(block: NDArray[Any]) -> NDArray[np.float32]:
    """Return numbers as float32; what is beyond its range becomes infinite."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(block, dtype=np.float32)


def collect_rows(table: Table, max_rows: int) -> NDArray[np.float32]:
    """Read a whole table into memory, float32 [rows, columns]; infinities stay.

    Raises:
        TooLargeError: It has more rows than that.
    """
    blocks: list[NDArray[np.float32]] = []
    rows = 0
    for block in table.blocks:
        rows += block.shape[0]
        if rows > max_rows:
            raise TooLargeError(f"more than {max_rows} rows; {ENCODE_ELSEWHERE}", code="too_many_rows")
        blocks.append(as_single_floats(block))
    if not blocks:
        return np.empty((0, len(table.columns)), np.float32)
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
