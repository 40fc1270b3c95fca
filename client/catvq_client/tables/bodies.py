"""Converts tables (arrays, data frames, files) to streamed request bodies that can be sent again."""

import csv
import io
import json
import math
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from catvq_client.errors import CatvqError
from catvq_client.tables.body import CHUNK_BYTES, CSV, Body, csv_line
from catvq_client.tables.families import family_arrays, has_channels, is_awkward
from catvq_client.tables.files import file_body

NPY = "application/x-npy"
NPZ = "application/x-npz"
# The service takes off an apostrophe before what a spreadsheet would take for a formula.
QUOTABLE = re.compile("(^|;)('*[=+@\uff1d\uff0b\uff0d\uff20-])")
ARROW = "application/vnd.apache.arrow.stream"

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


@runtime_checkable
class ArrowLike(Protocol):
    """A table that Arrow can read: of pandas, polars, pyarrow and others."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand the table on without a copy."""


Table: TypeAlias = Array | DataFrameLike | ArrowLike | Mapping[str, Any] | Path | str


def table_body(table: Table, columns: Sequence[str] | None = None) -> Body:
    """Choose the body for a table: files as they are, arrays in binary, frames as Arrow or CSV.

    Column names are sent in the URL if they fit, otherwise the table is sent as CSV.

    Args:
        table: Array [rows, D], DataFrame, one array [rows, D] per family, series and grids by family (see
            `family_arrays`), one list per column, or a file's path.
        columns: Names of the columns of an array, or of a file without; a DataFrame brings its own.

    Raises:
        CatvqError: The table's format is not supported.
    """
    if isinstance(table, str | Path):
        return _with_columns(file_body(Path(table)), columns)
    if isinstance(table, Mapping):
        return _mapping_body(table, columns)
    if isinstance(table, ArrowLike) and _has_text_names(table) and find_spec("pyarrow"):
        return arrow_body(arrow_table(table))
    if isinstance(table, DataFrameLike):
        names = [str(label) for label in table.columns]
        return _array_body(frame_values(table), names)
    if is_awkward(table):
        raise CatvqError("series need a name: send {name: array}")
    return _array_body(_numbers(np.asanyarray(table)), names_of_labels(table) if columns is None else columns)


def _mapping_body(table: Mapping[str, Any], columns: Sequence[str] | None) -> Body:
    """Choose the body for families, or for columns."""
    if not has_channels(table) and any(np.ndim(values) == 1 for values in table.values()):
        return _columns_body(table)
    families = family_arrays(table)
    arrays = {name: _numbers(values) for name, values in families.arrays.items()}
    return _with_columns(Body(NPZ, lambda: _npz_chunks(arrays), params=families.params), columns)


def frame_values(frame: DataFrameLike) -> Array:
    """Return the values of a data frame as float64.

    Raises:
        CatvqError: The data frame holds values that are not numbers.
    """
    try:
        values: Array = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise CatvqError(
            f"the data frame holds something other than numbers: {error}; install pyarrow to send it"
        ) from error
    return values


def _numbers(values: Array) -> Array:
    """Return real numbers in a type that the service reads, masked ones as NaN.

    Raises:
        CatvqError: They are something else, such as text, times or complex numbers.
    """
    if values.dtype.kind not in "biuf":
        raise CatvqError(f"needed real numbers, got an array of {values.dtype}")
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    if values.dtype.itemsize > 8:
        values = values.astype(np.float64)
    return values.astype(values.dtype.newbyteorder("<"), copy=False)


def names_of_labels(table: object) -> Sequence[str] | None:
    """Return the names of an array that has labels for its columns, as those of xarray."""
    dims: Sequence[str] = getattr(table, "dims", ())
    labels = getattr(table, "coords", {}).get(dims[-1]) if len(dims) == 2 else None
    return None if labels is None else [str(label) for label in np.asarray(labels).tolist()]


def _has_text_names(table: object) -> bool:
    """Whether a table's names are texts; Arrow makes texts of others, with a warning."""
    names = getattr(table, "columns", ()) if isinstance(table, DataFrameLike) else ()
    return all(isinstance(name, str) for name in names)


def arrow_table(table: ArrowLike) -> Any:
    """Return a table as one of Arrow.

    Raises:
        CatvqError: Arrow cannot read it, or pyarrow is not installed.
    """
    try:
        arrow = import_module("pyarrow")
    except ImportError as error:
        raise CatvqError("text, dates and frames other than pandas' need pyarrow to be sent") from error
    if not _has_text_names(table) and hasattr(table, "set_axis"):
        table = table.set_axis(list(map(str, table.columns)), axis=1)  # type: ignore[attr-defined]
    try:
        return arrow.table(table)
    except (TypeError, ValueError, arrow.ArrowException) as error:
        raise CatvqError(f"the table cannot be read by Arrow: {error}") from error


def arrow_body(whole: Any) -> Body:
    """Write a table of Arrow as a stream."""
    arrow = import_module("pyarrow")
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, whole.schema) as writer:
        writer.write_table(whole, max_chunksize=65_536)
    content = memoryview(sink.getvalue())
    starts = range(0, len(content), CHUNK_BYTES)
    return Body(
        ARROW, lambda: (bytes(content[start : start + CHUNK_BYTES]) for start in starts), len(content)
    )


def _columns_body(columns: Mapping[str, Any]) -> Body:
    """Write one list for each column as CSV.

    Raises:
        CatvqError: The lists differ in length.
    """
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise CatvqError(f"the columns differ in length: {lengths}")

    def chunks() -> Iterator[bytes]:
        yield csv_line([QUOTABLE.sub(r"\1'\2", name) for name in columns])
        for row in zip(*columns.values(), strict=True):
            yield csv_line(row)

    return Body(CSV, chunks)


def _array_body(values: Array, columns: Sequence[str] | None) -> Body:
    if values.ndim != 2:
        raise CatvqError(f"needed an array [rows, features], got {values.ndim} dimension(s)")
    if columns is not None and len(columns) != values.shape[1]:
        raise CatvqError(f"{len(columns)} names were given for {values.shape[1]} columns")
    if columns is not None and len(_names(columns)) > MAX_URL_JSON:
        return Body(CSV, lambda: _csv_chunks(values, columns))
    header = _npy_header(values)
    size = len(header) + values.shape[0] * values.shape[1] * values.itemsize
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


def _row_chunks(values: Array) -> Iterator[Array]:
    step = max(1, CHUNK_BYTES // max(1, values.itemsize * math.prod(values.shape[1:])))
    for start in range(0, values.shape[0], step):
        yield np.ascontiguousarray(values[start : start + step])


def _npy_header(values: Array) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": values.dtype.str, "fortran_order": False, "shape": values.shape}
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
