"""Writes columns as CSV, Arrow stream or Parquet."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, parquet
from pyarrow import csv as arrow_csv

from app.formats import Format
from app.tables.columns.times import write_text, write_times
from app.tables.formulas import FORMULA_PATTERN, QUOTED_FORMULA, quote_formulas
from app.tables.stream_rows import Rows
from app.tables.write import Column

_WRITERS = {Format.ARROW: pa.ipc.new_stream, Format.PARQUET: parquet.ParquetWriter}


def write_columns(columns: list[Column], file_format: Format) -> bytes:
    """Return the columns in a format that knows columns."""
    table = pa.Table.from_arrays(
        [pa.array(column.values, from_pandas=True) for column in columns],
        names=[column.name for column in columns],
    )
    if file_format is Format.CSV:
        return _csv_header(table.column_names) + _csv_body(table)
    sink = pa.BufferOutputStream()
    if file_format is Format.ARROW:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        parquet.write_table(table, sink)
    return bytes(sink.getvalue())


def stream_columns(rows: Rows, file_format: Format) -> Iterator[bytes]:
    """Yield the pieces of a file of columns, a part of the rows at a time; NaN is null."""
    names = [*rows.keys, *rows.names]
    if file_format is Format.CSV:
        yield _csv_header(names)
        for batch in _batches(rows, names):
            yield _csv_body(pa.Table.from_batches([batch]))
        return
    sink = io.BytesIO()
    types = [
        *[pa.string()] * len(rows.keys),
        *(_column(rows, name, np.empty(0, rows.dtype)).type for name in rows.names),
    ]
    with _WRITERS[file_format](sink, pa.schema(zip(names, types, strict=True))) as writer:
        for batch in _batches(rows, names):
            writer.write_batch(batch)
            yield _take(sink)
    yield _take(sink)


def _batches(rows: Rows, names: list[str]) -> Iterator[pa.RecordBatch]:
    start = 0
    for part in rows.parts:
        end = start + len(part)
        keys = [pa.array(cells[start:end], pa.string()) for cells in rows.keys.values()]
        columns = [_column(rows, name, cells) for name, cells in zip(rows.names, part.T, strict=True)]
        yield pa.record_batch([*keys, *columns], names)
        start = end


def _column(rows: Rows, name: str, cells: NDArray[np.floating[Any]]) -> pa.Array:
    """Return the cells of a column, those of a categorical one as text, seconds since an origin as times."""
    if origin := rows.origins.get(name):
        return write_times(cells, origin)
    numbers = pa.array(cells, pa.from_numpy_dtype(np.dtype(rows.dtype)), from_pandas=True)
    if name not in rows.values_of:
        return numbers
    return pa.array(rows.values_of[name], pa.string()).take(numbers.cast(pa.int64()))


def _take(sink: io.BytesIO) -> bytes:
    piece = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return piece


def _csv_header(names: list[str]) -> bytes:
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(map(quote_formulas, names))
    return header.getvalue().encode()


def _csv_body(table: pa.Table) -> bytes:
    """Return CSV with quotes only where something needs them; Arrow alone would quote every text.

    No text in it is a formula to a spreadsheet.
    """
    table = pa.Table.from_arrays([_cells(column) for column in table.columns], names=table.column_names)
    try:
        return _csv_rows(table, "none")
    except pa.ArrowInvalid:  # some text holds a comma, a quote or a line break
        return _csv_rows(table, "needed")


def _cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column for CSV: numbers as they are, text without formulas, times in ISO 8601."""
    if pa.types.is_temporal(column.type):
        return pa.chunked_array([write_text(part) for part in column.chunks], pa.string())
    if not pa.types.is_string(column.type):
        return column
    return compute.replace_substring_regex(column, FORMULA_PATTERN, QUOTED_FORMULA)


def _csv_rows(table: pa.Table, quoting: str) -> bytes:
    sink = pa.BufferOutputStream()
    arrow_csv.write_csv(table, sink, arrow_csv.WriteOptions(include_header=False, quoting_style=quoting))
    return bytes(sink.getvalue())
