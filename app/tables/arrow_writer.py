"""Writes columns as CSV, Arrow stream or Parquet."""

import pyarrow as pa
from pyarrow import csv, parquet

from app.media import Format
from app.tables.writing import Column


def write_columns(columns: list[Column], file_format: Format) -> bytes:
    """Return the columns in a format that knows columns."""
    table = pa.Table.from_arrays(
        [pa.array(column.values, from_pandas=True) for column in columns],
        names=[column.name for column in columns],
    )
    sink = pa.BufferOutputStream()
    if file_format is Format.CSV:
        csv.write_csv(table, sink, csv.WriteOptions(quoting_style="needed"))
    elif file_format is Format.ARROW:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        parquet.write_table(table, sink)
    return bytes(sink.getvalue())
