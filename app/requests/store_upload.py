"""Stores an uploaded table, or says how it would be read."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import chain
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
from app.tables.channels.store import WrittenFamily, write_channels
from app.tables.columns.options import ReadOptions
from app.tables.families import families_of
from app.tables.open_table import open_table
from app.tables.store_values import Written, write_values
from app.tables.table import Table, Warned
from worker.store import DatasetRecord, NewDataset, NewFiles

READER_VERSION = 5  # rises when the same bytes are read in another way: they are another dataset then
HISTOGRAM_BINS = 20
MAX_SAMPLE = 100_000  # values of a channel that its histogram counts


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
    """A table that was read into files of values."""

    table: Table
    written: Written
    channels: list[WrittenFamily]
    families: dict[str, list[str]]
    values_path: Path

    @property
    def features(self) -> list[str]:
        """The names of features: of columns, then of channels."""
        channels = (name for family in self.table.channels for name in self.families[family])
        return [*self.table.columns, *channels]

    @property
    def kinds(self) -> list[dict[str, Any]]:
        """What is to be known of series and grids."""
        return [family.kind for family in self.channels]

    @property
    def warnings(self) -> list[Warned]:
        """What is odd about the table, and about series and grids."""
        return [*self.written.warnings, *(odd for family in self.channels for odd in family.warnings)]

    def files(self, keys_path: Path | None) -> NewFiles:
        """The files to store."""
        families = tuple((family.values_path, family.offsets_path) for family in self.channels)
        return NewFiles(values=self.values_path, keys=keys_path, families=families)

    @property
    def columns(self) -> list[dict[str, Any]]:
        """What is to be known of features that are no plain numbers, and of keys."""
        table = self.table
        return [
            *(
                {"name": name, "type": "categorical", "values": list(values)}
                for name, values in table.values_of.items()
            ),
            *({"name": name, "type": "datetime", "origin": origin} for name, origin in table.origins.items()),
            *({"name": name, "type": "key"} for name in table.keys),
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
    upload.file.seek(0)
    content = hashlib.file_digest(upload.file, "sha256").hexdigest()  # type: ignore[arg-type]  # it suffices
    digest = f"sha256:{hashlib.sha256(content.encode() + described).hexdigest()}"
    known = api.store.datasets.find_by_digest(digest)
    if known is not None:
        return known, False
    api.store.datasets.check_room(1, sent.key_id)  # a full store need not unpack anything
    with _read(api, upload, sent) as read:
        keys_path = read.values_path.with_suffix(".parquet") if read.table.keys else None
        if keys_path is not None:
            import_module("app.tables.store_keys").write_keys(read.table.keys, keys_path)
        new = NewDataset(
            name=sent.name,
            features=read.features,
            families=read.families,
            kinds=read.kinds,
            columns=read.columns,
            left_out=[asdict(column) for column in read.table.left_out],
            reading=sent.options.of_cells,
            digest=digest,
            rows=read.written.rows,
            warnings=[asdict(warning) for warning in read.warnings],
            key_id=sent.key_id,
        )
        return api.store.datasets.create(new, read.files(keys_path))


def preview(api: Services, upload: Upload, sent: Sent) -> dict[str, Any]:
    """Say how an upload would be read: a dataset's document without id, and more of each column."""
    with _read(api, upload, sent) as read:
        values = np.load(read.values_path, mmap_mode="r", allow_pickle=False)
        columns = column_documents(read.features, read.families, read.columns, read.kinds)
        for index, count in enumerate(read.written.missing.tolist()):
            columns[index]["missing"] = count
            columns[index]["histogram"] = _histogram(values[:, index], columns[index]["values"])
        described = chain.from_iterable(map(_describe_channels, read.channels))
        for column, (count, histogram) in zip(columns[len(read.table.columns) :], described, strict=False):
            column["missing"] = count
            column["histogram"] = histogram  # keys come last, and have none
        return {
            "name": sent.name,
            "rows": read.written.rows,
            "features": read.features,
            "families": family_documents(read.families, read.kinds),
            "columns": columns,
            "left_out": [asdict(column) for column in read.table.left_out],
            "reading": sent.options.of_cells,
            "warnings": [asdict(warning) for warning in read.warnings],
        }


@contextmanager
def _read(api: Services, upload: Upload, sent: Sent) -> Iterator[_Read]:
    limits = api.table_limits(upload.file)
    table = open_table(upload.file, sent.file_format, sent.options, limits)
    with tempfile.TemporaryDirectory(dir=api.scratch_dir, prefix="values-") as directory:
        path = Path(directory, "values")
        with path.open("wb") as target:
            table, written = write_values(table, target, limits)
        channels = write_channels(table.channels, Path(directory), limits)
        read = _Read(table, written, channels, families_of(table, sent.families), path)
        if sent.strict and read.warnings:
            faults = [Place(detail=warning.detail, column=warning.column) for warning in read.warnings]
            raise InvalidError(f"strict: {read.warnings[0].detail}", faults, code=read.warnings[0].code)
        yield read


def _describe_channels(written: WrittenFamily) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield missing values, and a histogram of a sample of the others, of each channel."""
    values = np.load(written.values_path, mmap_mode="r", allow_pickle=False)
    channels = len(written.missing)
    step = max(1, values.size // (channels * MAX_SAMPLE))
    for channel, count in enumerate(written.missing.tolist()):
        yield count, _histogram(np.ravel(values[::step, channel]), None)


def _histogram(cells: NDArray[np.floating[Any]], values: list[str] | None) -> dict[str, Any]:
    """Count the cells that are there: by value where there are values, else in bins of equal width."""
    present = cells[~np.isnan(cells)].astype(np.float64)
    if values is not None:
        return {
            "counts": np.bincount(present.astype(np.int64), minlength=len(values)).tolist(),
            "edges": None,
        }
    try:
        counts, edges = np.histogram(present, HISTOGRAM_BINS)
    except ValueError:  # float64 tells fewer edges apart between such values, or their range is beyond it
        counts, edges = np.array([len(present)]), np.array([present.min(), present.max()])
    return {"counts": counts.tolist(), "edges": edges.tolist()}
