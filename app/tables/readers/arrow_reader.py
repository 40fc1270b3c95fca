"""Reads Arrow streams and Parquet files: typed columns, batch by batch."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet, types

from app.problems import InvalidError, NotParseableError, Place
from app.tables.readers.arrow_messages import read_batches
from app.tables.table import Table, TableLimits, check_names, expands_too_much, rows_per_block

MAX_METADATA_BYTES = 16 << 20


def read_arrow(file: BinaryIO, limits: TableLimits) -> Table:
    """Read an Arrow IPC stream; null and NaN are missing.

    Raises:
        NotParseableError: It is no Arrow stream, or a damaged one (also while the blocks are read).
        InvalidError: Its columns cannot be used.
    """
    with _readable("an Arrow stream"):
        messages = pa.ipc.MessageReader.open_stream(_mapped(file))
        try:
            message = messages.read_next_message()
        except StopIteration:
            raise NotParseableError("the body is empty, which is no Arrow stream") from None
        if message.type != "schema":  # Arrow takes it for one unseen, and ends the process
            raise NotParseableError(f"the body begins with an unexpected {message.type}, not with a schema")
        schema = pa.ipc.read_schema(message)
        columns = _check_schema(schema, limits)
    return Table(
        columns=columns, blocks=_blocks(read_batches(messages, schema), "an Arrow stream"), has_names=True
    )


def read_parquet(file: BinaryIO, limits: TableLimits) -> Table:
    """Read a Parquet file; null and NaN are missing.

    Raises:
        NotParseableError: It is no Parquet file, or a damaged one (also while the blocks are read).
        InvalidError: Its columns cannot be used, or it says that it holds more than the limits.
    """
    with _readable("a Parquet file"):
        source = parquet.ParquetFile(
            file,
            thrift_string_size_limit=MAX_METADATA_BYTES,
            thrift_container_size_limit=limits.max_features * 100,
        )
        columns = _check_schema(source.schema_arrow, limits)
    metadata = source.metadata
    if metadata.num_rows > limits.max_rows:
        raise InvalidError(
            f"the table has {metadata.num_rows} rows; at most {limits.max_rows} are taken",
            code="too_many_rows",
        )
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    if sum(group.total_byte_size for group in groups) > limits.max_expanded_bytes:
        raise expands_too_much(limits)
    batches = source.iter_batches(batch_size=rows_per_block(len(columns)), use_threads=False)
    return Table(columns=columns, blocks=_blocks(batches, "a Parquet file"), has_names=True)


def _mapped(file: BinaryIO) -> pa.NativeFile:
    """Return a file whose parts are used where they are, without a copy."""
    if isinstance(file, io.BytesIO):
        return pa.BufferReader(file.getbuffer())
    file.flush()
    return pa.memory_map(str(file.name))


def _check_schema(schema: pa.Schema, limits: TableLimits) -> tuple[str, ...]:
    columns = check_names([str(name) for name in schema.names], limits)
    faults = [
        Place(detail=f"not numbers but {field.type}", column=field.name, row=1)
        for field in schema
        if not (
            types.is_integer(field.type)
            or types.is_floating(field.type)
            or types.is_boolean(field.type)
            or types.is_decimal(field.type)
            or types.is_null(field.type)
        )
    ]
    if faults:
        raise InvalidError(
            f"column {faults[0].column!r} holds {faults[0].detail}", faults, code="not_numeric"
        )
    return columns


def _blocks(batches: Iterator[pa.RecordBatch], kind: str) -> Iterator[NDArray[Any]]:
    with _readable(kind):
        for batch in batches:
            for start in range(0, batch.num_rows, rows_per_block(batch.num_columns)):
                part = batch.slice(start, rows_per_block(batch.num_columns))
                numbers = (column.cast(pa.float64(), safe=False) for column in part.columns)
                yield np.column_stack([column.to_numpy(zero_copy_only=False) for column in numbers])


@contextmanager
def _readable(kind: str) -> Iterator[None]:
    """Turn Arrow's complaints about a file into the API's."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise NotParseableError(f"the body is not {kind} that can be read: {str(error)[:200]}") from None
