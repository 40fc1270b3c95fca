"""Reads Arrow streams and files and Parquet files: typed columns, batch by batch."""

from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
from pyarrow import parquet, types

from app.problems import InvalidError, NotParseableError
from app.tables.channels.lists import depth_of
from app.tables.columns.options import ReadOptions
from app.tables.readers.arrow_columns import readable, table_of
from app.tables.readers.arrow_messages import read_batches
from app.tables.readers.mapped import mapped
from app.tables.table import Table, TableLimits, expands_too_much, rows_per_block

MAX_METADATA_BYTES = 16 << 20
MAX_ROWS_OF_LISTS = 4096  # at a time, as each list may hold thousands of numbers
MAX_BYTES_OF_LISTS = 32 << 20


def read_arrow(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    """Read an Arrow IPC stream; null and NaN are missing.

    Raises:
        NotParseableError: It is no Arrow stream, or a damaged one (also while the blocks are read).
        InvalidError: Its columns cannot be used.
    """

    def batches() -> Iterator[pa.RecordBatch]:
        schema, messages = _open_stream(file)
        return read_batches(messages, schema)

    return _read_stream(file, options, limits, batches)


def has_references(file: BinaryIO) -> bool:
    """Whether the cells of an Arrow stream refer to others, so that few bytes may stand for very many.

    Raises:
        NotParseableError: It is no Arrow stream.
    """
    with readable("an Arrow stream"):
        schema, _ = _open_stream(file)
        return any(map(_refers, (field.type for field in schema)))


def _refers(kind: pa.DataType) -> bool:
    refers = types.is_dictionary(kind) or types.is_string_view(kind) or types.is_binary_view(kind)
    return refers or any(_refers(kind.field(index).type) for index in range(kind.num_fields))


def read_referring_arrow(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    """Read an Arrow IPC stream that `has_references`; only `sandbox` children do so.

    Raises:
        NotParseableError: It is no Arrow stream, or a damaged one (also while the blocks are read).
        InvalidError: Its columns cannot be used.
    """

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in pa.ipc.open_stream(mapped(file)):
            batch.validate(full=True)
            yield batch

    return _read_stream(file, options, limits, batches)


def _read_stream(
    file: BinaryIO, options: ReadOptions, limits: TableLimits, read: Callable[[], Iterator[pa.RecordBatch]]
) -> Table:
    """Read a stream whose batches `read` yields."""
    kind = "an Arrow stream"
    with readable(kind):
        schema, _ = _open_stream(file)

    def batches(_: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        with readable(kind):
            yield from read()

    return table_of(schema, batches, options, limits)


def read_arrow_file(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    """Read an Arrow IPC file, such as Feather; only `sandbox` children do so.

    Raises:
        NotParseableError: It is no Arrow file, or a damaged one.
        InvalidError: Its columns cannot be used.
    """
    kind = "an Arrow file"
    with readable(kind):
        source = pa.ipc.open_file(mapped(file))

    def batches(_: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        with readable(kind):
            for index in range(source.num_record_batches):
                batch = source.get_batch(index)
                batch.validate(full=True)
                yield batch

    return table_of(source.schema, batches, options, limits)


def read_parquet(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    """Read a Parquet file; null and NaN are missing; only `sandbox` children do so.

    Raises:
        NotParseableError: It is no Parquet file, or a damaged one (also while the blocks are read).
        InvalidError: Its columns cannot be used, or it says that it holds more than the limits.
    """
    kind = "a Parquet file"
    with readable(kind):
        source = parquet.ParquetFile(
            file,
            thrift_string_size_limit=MAX_METADATA_BYTES,
            thrift_container_size_limit=limits.max_features * 100,
        )
        schema = source.schema_arrow
    metadata = source.metadata
    if metadata.num_rows > limits.max_rows:
        raise InvalidError(
            f"the table has {metadata.num_rows} rows; at most {limits.max_rows} are taken",
            code="too_many_rows",
        )
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    if sum(group.total_byte_size for group in groups) > limits.max_expanded_bytes:
        raise expands_too_much(limits)

    step = rows_per_block(len(schema))
    if any(depth_of(field.type) for field in schema):
        row_bytes = sum(group.total_byte_size for group in groups) // max(1, metadata.num_rows)
        step = min(step, MAX_ROWS_OF_LISTS, max(1, MAX_BYTES_OF_LISTS // max(1, row_bytes)))

    def batches(wanted: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        with readable(kind):
            for batch in source.iter_batches(batch_size=step, columns=wanted, use_threads=False):
                batch.validate(full=True)  # text may be none
                yield batch

    return table_of(schema, batches, options, limits)


def _open_stream(file: BinaryIO) -> tuple[pa.Schema, pa.MessageReader]:
    messages = pa.ipc.MessageReader.open_stream(mapped(file))
    try:
        message = messages.read_next_message()
    except StopIteration:
        raise NotParseableError("the body is empty, which is no Arrow stream") from None
    if message.type != "schema":  # Arrow takes it for one unseen, and ends the process
        raise NotParseableError(f"the body begins with an unexpected {message.type}, not with a schema")
    return pa.ipc.read_schema(message), messages
