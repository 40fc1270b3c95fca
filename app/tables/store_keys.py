"""Writes the keys of a table beside its values."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet


def write_keys(keys: Mapping[str, Any], path: Path) -> None:
    """Write columns of text as a Parquet file, and put it on the disk."""
    table = pa.table({name: pa.chunked_array(cells).cast(pa.large_string()) for name, cells in _chunks(keys)})
    with path.open("wb") as file:
        parquet.write_table(table, file)
        file.flush()
        os.fsync(file.fileno())


def _chunks(keys: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    return [
        (name, cells.chunks if isinstance(cells, pa.ChunkedArray) else [cells])
        for name, cells in keys.items()
    ]
