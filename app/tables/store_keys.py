"""Writes the keys of a table beside its values, and reads them back."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet


def write_keys(keys: Mapping[str, Any], path: Path) -> None:
    """Write columns of text as a Parquet file, and put it on the disk."""
    table = pa.table(dict(keys))
    with path.open("wb") as file:
        parquet.write_table(table, file)
        file.flush()
        os.fsync(file.fileno())


def read_keys(path: Path) -> dict[str, list[str | None]]:
    """Read all keys that `write_keys` wrote."""
    keys: dict[str, list[str | None]] = parquet.read_table(path).to_pydict()
    return keys


def read_key(path: Path, name: str, *, rows_at_once: int) -> Iterator[list[str | None]]:
    """Read one of the keys that `write_keys` wrote, some rows at a time."""
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(rows_at_once, columns=[name]):
            cells: list[str | None] = batch.column(0).to_pylist()
            yield cells
