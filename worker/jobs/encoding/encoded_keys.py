"""Writes the keys of encoded rows: those of the dataset that were asked for, and which prefix a row is."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

PREFIX_KEYS = ("row", "length")  # number of the row from 0, and the length that was asked for


def read_keys(path: Path, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """Read some keys of a dataset, by name."""
    table = parquet.read_table(path, columns=list(names))
    return {name: table.column(name) for name in names}


def write_keys(
    path: Path, keys: Mapping[str, pa.ChunkedArray], prefixes: Sequence[int], *, rows: int
) -> None:
    """Write a column of text for each key, and put the file on the disk.

    Args:
        path: A new Parquet file.
        keys: Of the dataset, text [rows] each.
        prefixes: Lengths that each row was encoded with, one after the other; none if it was whole.
        rows: Of the dataset.
    """
    columns = dict(keys)
    if prefixes:
        row = np.repeat(np.arange(rows), len(prefixes))
        columns = {name: column.take(pa.array(row)) for name, column in keys.items()}
        for name, numbers in zip(PREFIX_KEYS, (row, np.tile(prefixes, rows)), strict=True):
            columns[name] = pa.array(numbers.astype(str))
    with path.open("wb") as file:
        parquet.write_table(pa.table(columns), file)
        file.flush()
        os.fsync(file.fileno())
