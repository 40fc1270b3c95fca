"""Writes the rows of a file as a stream of CSV, Arrow or Parquet, holding a part of them at a time."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from app.media import Format
from app.tables.formulas import quote_formulas

PART_BYTES = 4 << 20

_WRITERS = {Format.CSV: csv.CSVWriter, Format.ARROW: pa.ipc.new_stream, Format.PARQUET: parquet.ParquetWriter}


def stream_rows(path: Path, features: Sequence[str], file_format: Format) -> Iterator[bytes]:
    """Yield the pieces of a table whose values, float32 [rows, features], are in an NPY file; NaN is null."""
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    names = map(quote_formulas, features) if file_format is Format.CSV else features
    schema = pa.schema([(name, pa.float32()) for name in names])
    rows_per_part = max(1, PART_BYTES // (4 * len(features)))
    sink = io.BytesIO()
    with _WRITERS[file_format](sink, schema) as writer:
        for start in range(0, len(values), rows_per_part):
            part = np.asarray(values[start : start + rows_per_part])
            columns = [pa.array(column, from_pandas=True) for column in part.T]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            yield _take(sink)
    yield _take(sink)


def _take(sink: io.BytesIO) -> bytes:
    piece = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return piece
