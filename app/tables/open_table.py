"""Opens an upload in whichever format it came, and reads it as far as is needed."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from app.formats import Format
from app.problems import TooLargeError
from app.tables.channels.choose import choose_channels
from app.tables.channels.names import check_families
from app.tables.columns.options import ReadOptions
from app.tables.table import NotPlainError, Table, TableLimits, give_names

Result = TypeVar("Result")

ENCODE_ELSEWHERE = "send them in several requests, or as a dataset to POST .../encoding-jobs"

# Module and function: loaded on first use, as most processes only ever read JSON and NPY.
_TYPED_READERS = {
    Format.CSV: ("readers.csv_reader", "read_csv"),
    Format.PARQUET: ("sandbox.confined", "read_parquet"),
    Format.ARROW: ("sandbox.confined", "read_arrow"),
    Format.ARROW_FILE: ("sandbox.confined", "read_arrow_file"),
    Format.JSON: ("readers.json_reader", "read_json"),
}
_ARRAY_READERS = {
    Format.NPY: ("readers.numpy_reader", "read_npy"),
    Format.NPZ: ("readers.numpy_reader", "read_npz"),
    Format.HDF5: ("sandbox.confined", "read_hdf5"),
}

_PLAIN = {Format.CSV, Format.NPY}  # hold no series and no grids


def open_table(file: BinaryIO, file_format: Format, options: ReadOptions, limits: TableLimits) -> Table:
    """Read a table's columns; its rows are read when its blocks are.

    Raises:
        NotParseableError: The file is damaged, or not of this format.
        InvalidError: It holds something that cannot be learnt from.
    """
    if file_format in _PLAIN:
        check_families(options, (), ())
    module, function = (_TYPED_READERS | _ARRAY_READERS)[file_format]
    read = getattr(import_module(f"app.tables.{module}"), function)
    if file_format in _TYPED_READERS:
        typed: Table = read(file, options, limits)
        return typed
    table: Table = read(file, limits) if file_format is Format.NPY else read(file, options, limits)
    if options.columns is not None:
        table = replace(table, columns=give_names(options.columns, len(table.columns), limits))
    if options.changes_plain_numbers and table.columns and options.known is None:
        table = import_module("app.tables.columns.settle").settle_numbers(table, options)
    return choose_channels(table, options, limits)


def read_blocks(table: Table, consume: Callable[[Table], Result]) -> tuple[Table, Result]:
    """Read a table by a function; anew, and more carefully, where a cell turns out to be no number.

    Returns:
        The table that was read, and what the function returned.
    """
    while True:
        try:
            return table, consume(table)
        except NotPlainError:
            if table.typed is None:
                raise
            table = table.typed()


def as_floats(block: NDArray[Any], dtype: DTypeLike = np.float32) -> NDArray[np.floating[Any]]:
    """Return numbers as floats of a type; what is beyond its range becomes infinite."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(block, dtype=dtype)


def collect_rows(table: Table, max_rows: int, dtype: DTypeLike = np.float32) -> NDArray[np.floating[Any]]:
    """Read a whole table of known columns into memory, [rows, columns]; infinities stay.

    Raises:
        TooLargeError: It has more rows than that.
    """
    return read_blocks(table, lambda table: _collect(table, max_rows, dtype))[1]


def _collect(table: Table, max_rows: int, dtype: DTypeLike) -> NDArray[np.floating[Any]]:
    blocks: list[NDArray[np.floating[Any]]] = []
    rows = 0
    for block in table.blocks():
        rows += block.shape[0]
        if rows > max_rows:
            raise TooLargeError(f"more than {max_rows} rows; {ENCODE_ELSEWHERE}", code="too_many_rows")
        blocks.append(as_floats(block, dtype))
    if not blocks:
        return np.empty((0, len(table.columns)), dtype)
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
