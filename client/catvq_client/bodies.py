"""Converts tables (arrays, data frames, files) to streamed request bodies that can be sent again."""

import csv
import io
import json
import math
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from catvq_client.errors import CatvqError

NPY = "application/x-npy"
NPZ = "application/x-npz"
CSV = "text/csv"
# The service removes an apostrophe before text that a spreadsheet would evaluate as a formula.
QUOTABLE = re.compile("(^|;)('*[=+@\uff1d\uff0b\uff0d\uff20-])")
MEDIA_TYPES = {
    ".csv": CSV,
    ".npy": NPY,
    ".npz": NPZ,
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.stream",
    ".arrows": "application/vnd.apache.arrow.stream",
    ".h5": "application/x-hdf5",
    ".hdf5": "application/x-hdf5",
}

CHUNK_BYTES = 1 << 20
MAX_URL_JSON = 6_000  # servers and proxies commonly refuse request heads above 8 to 16 KiB

Array: TypeAlias = npt.NDArray[Any]


@runtime_checkable
class DataFrameLike(Protocol):
    """The part of a pandas DataFrame that is used; pandas itself is never imported."""

    @property
    def columns(self) -> Any:
        """The column labels."""

    def to_numpy(self, *args: Any, **kwargs: Any) -> Any:
        """Return the values as one array."""


Table: TypeAlias = Array | DataFrameLike | Mapping[str, Array] | Path | str


@dataclass(frozen=True)
class Body:
    """A request body that can be produced again for a retry."""

    content_type: str
    chunks: Callable[[], Iterator[bytes]]
    size_bytes: int | None = None
    params: dict[str, str] = field(default_factory=dict)


def table_body(table: Table, columns: Sequence[str] | None = None) -> Body:
    """Create the request body of a table: files unchanged, arrays in binary.

    Column names are sent in the URL if they fit, otherwise the table is sent as CSV.

    Args:
        table: Array [rows, D], DataFrame, one array per family, or a file's path.
        columns: Names of an array's columns; a DataFrame has its own.

    Raises:
        CatvqError: The table's format is not supported.
    """
    if isinstance(table, str | Path):
        return _file_body(Path(table))
    if isinstance(table, Mapping):
        return _with_columns(_npz_body(table), columns)
    if isinstance(table, DataFrameLike):
        names = [str(label) for label in table.columns]
        return _array_body(frame_values(table), names)
    return _array_body(np.asarray(table), columns)


def frame_values(frame: DataFrameLike) -> Array:
    """Return the values of a data frame as float32.

    Raises:
        CatvqError: The data frame holds values that are not numbers.
    """
    try:
        values: Array = frame.to_numpy(dtype=np.float32, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise CatvqError(f"the data frame holds values that are not numbers: {error}") from error
    return values


def _array_body(values: Array, columns: Sequence[str] | None) -> Body:
    if values.ndim != 2:
        raise CatvqError(f"needed an array [rows, features], got {values.ndim} dimension(s)")
    if columns is not None and len(columns) != values.shape[1]:
        raise CatvqError(f"{len(columns)} names were given for {values.shape[1]} columns")
    if columns is not None and len(_names(columns)) > MAX_URL_JSON:
        return Body(CSV, lambda: _csv_chunks(values, columns))
    header = _npy_header(values)
    size = len(header) + values.shape[0] * values.shape[1] * 4
    return _with_columns(Body(NPY, lambda: _npy_chunks(values), size), columns)


def _with_columns(body: Body, columns: Sequence[str] | None) -> Body:
    if columns is None:
        return body
    if len(_names(columns)) > MAX_URL_JSON:
        raise CatvqError(
            "too many column names for a URL: upload a file with column names (CSV, Parquet, Arrow)"
        )
    return Body(body.content_type, body.chunks, body.size_bytes, {**body.params, "columns": _names(columns)})


def families_param(families: str | Mapping[str, Sequence[str]]) -> str:
    """Return families as a query parameter: a rule unchanged, lists as JSON."""
    if isinstance(families, str):
        return families
    text = json.dumps({name: list(features) for name, features in families.items()}, separators=(",", ":"))
    if len(text) > MAX_URL_JSON:
        raise CatvqError(
            "the families are too long for a URL: name features `family_...` and give 'prefix:_'"
        )
    return text


def _names(columns: Sequence[str]) -> str:
    return json.dumps(list(columns), separators=(",", ":"), ensure_ascii=False)


def _float32(values: Array) -> Array:
    with np.errstate(over="ignore"):  # too large values become infinite; the service reports their place
        return np.ascontiguousarray(values, dtype="<f4")


def _row_chunks(values: Array) -> Iterator[Array]:
    step = max(1, CHUNK_BYTES // max(1, 4 * values.shape[1]))
    for start in range(0, values.shape[0], step):
        yield _float32(values[start : start + step])


def _npy_header(values: Array) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f4", "fortran_order": False, "shape": values.shape}
    )
    return buffer.getvalue()


def _npy_chunks(values: Array) -> Iterator[bytes]:
    yield _npy_header(values)
    for chunk in _row_chunks(values):
        yield chunk.tobytes()


def _csv_chunks(values: Array, columns: Sequence[str]) -> Iterator[bytes]:
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(QUOTABLE.sub(r"\1'\2", name) for name in columns)
    yield header.getvalue().encode()
    for chunk in _row_chunks(values):
        lines = (",".join("" if math.isnan(cell) else repr(cell) for cell in row) for row in chunk.tolist())
        yield ("\n".join(lines) + "\n").encode()


def _npz_body(families: Mapping[str, Array]) -> Body:
    for name, values in families.items():
        if values.ndim != 2:
            raise CatvqError(
                f"family {name}: needed an array [rows, features], got {values.ndim} dimension(s)"
            )
    return Body(NPZ, lambda: _npz_chunks(families))


def _npz_chunks(families: Mapping[str, Array]) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, values in families.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                for chunk in _npy_chunks(values):
                    member.write(chunk)
                    yield sink.take()
    yield sink.take()


class _Sink(io.RawIOBase):
    """Buffers what an archive writes; it cannot seek."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:
        self._written += content
        return len(content)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        content = bytes(self._written)
        self._written.clear()
        return content


def _file_body(path: Path) -> Body:
    media_type = MEDIA_TYPES.get(path.suffix.lower())
    if media_type is None:
        raise CatvqError(f"{path}: unsupported file type; use one of {', '.join(sorted(MEDIA_TYPES))}")
    size = path.stat().st_size

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    return Body(media_type, chunks, size)
