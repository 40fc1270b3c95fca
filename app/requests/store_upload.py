"""Stores an uploaded table, or says how it would be read."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from app.formats import Format
from app.http.uploads import Upload
from app.problems import InvalidError, Place
from app.schemas.datasets import column_documents, family_documents
from app.services import Services
from app.tables.columns.options import ReadOptions
from app.tables.families import families_of
from app.tables.open_table import open_table
from app.tables.store_values import Written, write_values
from app.tables.table import Table
from worker.store import DatasetRecord, NewDataset, NewFiles

READER_VERSION = 2  # rises when the same bytes are read in another way: they are another dataset then
HISTOGRAM_BINS = 20


@dataclass(frozen=True)
class Sent:
    """What came with an upload.

    Args:
        families: As the query has it.
        strict: Refuse what would be a warning.
        key_id: The API key, where one was needed.
    """

    file_format: Format
    options: ReadOptions
    name: str | None
    families: str | None
    strict: bool
    key_id: str | None


@dataclass(frozen=True)
class _Read:
    """A table that was read into a file of values."""

    table: Table
    written: Written
    families: dict[str, list[str]]
    values_path: Path

    @property
    def columns(self) -> list[dict[str, Any]]:
        """What is to be known of features that are no plain numbers, and of keys."""
        table = self.table
        return [
            *(
                {"name": name, "type": "categorical", "values": list(values)}
                for name, values in table.values_of.items()
            ),
            *({"name": name, "type": "datetime", "values": None} for name in sorted(table.times)),
            *({"name": name, "type": "key", "values": None} for name in table.keys),
        ]


def store(api: Services, upload: Upload, sent: Sent) -> tuple[DatasetRecord, bool]:
    """Parse an upload into the store, unless it is there already.

    Returns:
        The dataset, and whether it is a new one.

    Raises:
        ApiError: It cannot be read, or there is no room for it.
    """
    described = orjson.dumps(
        {
            "reader": READER_VERSION,
            "format": sent.file_format.value,
            "options": sent.options.dump(),
            "name": sent.name,
            "families": sent.families,
            "strict": sent.strict,
        }
    )
    digest = f"sha256:{hashlib.sha256(upload.digest.encode() + described).hexdigest()}"
    known = api.store.datasets.find_by_digest(digest)
    if known is not None:
        return known, False
    api.store.datasets.check_room(1, sent.key_id)  # a full store need not unpack anything
    with _scratch(api, ".parquet") as keys_path, _read(api, upload, sent) as read:
        if read.table.keys:
            import_module("app.tables.store_keys").write_keys(read.table.keys, keys_path)
        new = NewDataset(
            name=sent.name,
            features=list(read.table.columns),
            families=read.families,
            columns=read.columns,
            left_out=[asdict(column) for column in read.table.left_out],
            digest=digest,
            rows=read.written.rows,
            warnings=[asdict(warning) for warning in read.written.warnings],
            key_id=sent.key_id,
        )
        return api.store.datasets.create(
            new, NewFiles(values=read.values_path, keys=keys_path if read.table.keys else None)
        )


def preview(api: Services, upload: Upload, sent: Sent) -> dict[str, Any]:
    """Say how an upload would be read: a dataset's document without id, and more of each column."""
    with _read(api, upload, sent) as read:
        values = np.load(read.values_path, mmap_mode="r", allow_pickle=False)
        columns = column_documents(read.table.columns, read.families, read.columns)
        for index, (column, count) in enumerate(
            zip(columns, read.written.missing.tolist(), strict=False)  # keys come last
        ):
            column["missing"] = count
            column["histogram"] = _histogram(values[:, index], column["values"])
        return {
            "name": sent.name,
            "rows": read.written.rows,
            "features": list(read.table.columns),
            "families": family_documents(read.families),
            "columns": columns,
            "left_out": [asdict(column) for column in read.table.left_out],
            "warnings": [asdict(warning) for warning in read.written.warnings],
        }


@contextmanager
def _read(api: Services, upload: Upload, sent: Sent) -> Iterator[_Read]:
    limits = api.table_limits(upload.file)
    table = open_table(upload.file, sent.file_format, sent.options, limits)
    with _scratch(api, ".npy") as path:
        with path.open("wb") as target:
            table, written = write_values(table, target, limits)
        if sent.strict and written.warnings:
            faults = [Place(detail=warning.detail, column=warning.column) for warning in written.warnings]
            raise InvalidError(f"strict: {written.warnings[0].detail}", faults, code=written.warnings[0].code)
        yield _Read(table, written, families_of(table, table.columns, sent.families), path)


@contextmanager
def _scratch(api: Services, suffix: str) -> Iterator[Path]:
    """Make a file that is removed unless it was moved away."""
    handle, name = tempfile.mkstemp(dir=api.scratch_dir, prefix="values-", suffix=suffix)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _histogram(cells: NDArray[np.floating[Any]], values: list[str] | None) -> dict[str, Any]:
    """Count the cells that are there: by value where there are values, else in bins of equal width."""
    present = cells[~np.isnan(cells)].astype(np.float64)
    if values is not None:
        return {
            "counts": np.bincount(present.astype(np.int64), minlength=len(values)).tolist(),
            "edges": None,
        }
    counts, edges = np.histogram(present, HISTOGRAM_BINS)
    return {"counts": counts.tolist(), "edges": edges.tolist()}
