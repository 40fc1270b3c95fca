"""Writes the keys of a table beside its values, and reads them back."""

import os
from collections.abc import Mapping, Sequence
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


def read_keys(path: Path, names: Sequence[str] | None = None) -> dict[str, list[str | None]]:
    """Read some of the keys that `write_keys` wrote, or all."""
    keys: dict[str, list[str | None]] = parquet.read_table(path, columns=names).to_pydict()
    return keys
