"""Writes columns as CSV, Arrow stream or Parquet."""

import csv
import io

import pyarrow as pa
from pyarrow import compute, parquet
from pyarrow import csv as arrow_csv

from app.media import Format
from app.tables.formulas import FORMULA_PATTERN, QUOTED_FORMULA, quote_formulas
from app.tables.writing import Column


def write_columns(columns: list[Column], file_format: Format) -> bytes:
    """Return the columns in a format that knows columns."""
    table = pa.Table.from_arrays(
        [pa.array(column.values, from_pandas=True) for column in columns],
        names=[column.name for column in columns],
    )
    if file_format is Format.CSV:
        return _csv(table)
    sink = pa.BufferOutputStream()
    if file_format is Format.ARROW:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        parquet.write_table(table, sink)
    return bytes(sink.getvalue())


def _csv(table: pa.Table) -> bytes:
    """Return CSV with quotes only where something needs them; Arrow alone would quote every text.

    No text in it is a formula to a spreadsheet.
    """
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(map(quote_formulas, table.column_names))
    table = pa.Table.from_arrays([_cells(column) for column in table.columns], names=table.column_names)
    try:
        rows = _csv_rows(table, "none")
    except pa.ArrowInvalid:  # some text holds a comma, a quote or a line break
        rows = _csv_rows(table, "needed")
    return header.getvalue().encode() + rows


def _cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column for CSV: numbers as they are, text without formulas."""
    if not pa.types.is_string(column.type):
        return column
    return compute.replace_substring_regex(column, FORMULA_PATTERN, QUOTED_FORMULA)


def _csv_rows(table: pa.Table, quoting: str) -> bytes:
    sink = pa.BufferOutputStream()
    arrow_csv.write_csv(table, sink, arrow_csv.WriteOptions(include_header=False, quoting_style=quoting))
    return bytes(sink.getvalue())
