"""Reads Arrow streams and files and Parquet files: typed columns, batch by batch."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet, types

from app.problems import InvalidError, NotParseableError, Place
from app.tables.frame import Columns, Frame, is_text, settle
from app.tables.options import ReadOptions
from app.tables.readers.arrow_messages import read_batches
from app.tables.survey import DATES, Decision
from app.tables.table import (
    LeftOut,
    Table,
    TableLimits,
    Warned,
    check_names,
    check_width,
    expands_too_much,
    rows_per_block,
)

MAX_METADATA_BYTES = 16 << 20
Batches = Callable[[Sequence[str] | None], Iterator[pa.RecordBatch]]


def read_arrow(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    """Read an Arrow IPC stream; null and NaN are missing.

    Raises:
        NotParseableError: It is no Arrow stream, or a damaged one (also while the blocks are read).
        InvalidError: Its columns cannot be used.
    """
    kind = "an Arrow stream"
    with _readable(kind):
        schema, _ = _open_stream(file)

    def batches(_: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        with _readable(kind):
            schema, messages = _open_stream(file)
            yield from read_batches(messages, schema)

    return settle(_frame(schema, batches, limits), options)


def read_arrow_file(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    """Read an Arrow IPC file, such as Feather; only `sandbox` children do so.

    Raises:
        NotParseableError: It is no Arrow file, or a damaged one.
        InvalidError: Its columns cannot be used.
    """
    kind = "an Arrow file"
    with _readable(kind):
        source = pa.ipc.open_file(_mapped(file))

    def batches(_: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        with _readable(kind):
            for index in range(source.num_record_batches):
                yield source.get_batch(index)

    return settle(_frame(source.schema, batches, limits), options)


def read_parquet(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    """Read a Parquet file; null and NaN are missing; only `sandbox` children do so.

    Raises:
        NotParseableError: It is no Parquet file, or a damaged one (also while the blocks are read).
        InvalidError: Its columns cannot be used, or it says that it holds more than the limits.
    """
    kind = "a Parquet file"
    with _readable(kind):
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

    def batches(wanted: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        with _readable(kind):
            yield from source.iter_batches(
                batch_size=rows_per_block(len(schema)), columns=wanted, use_threads=False
            )

    return settle(_frame(schema, batches, limits), options)


def _open_stream(file: BinaryIO) -> tuple[pa.Schema, pa.MessageReader]:
    messages = pa.ipc.MessageReader.open_stream(_mapped(file))
    try:
        message = messages.read_next_message()
    except StopIteration:
        raise NotParseableError("the body is empty, which is no Arrow stream") from None
    if message.type != "schema":  # Arrow takes it for one unseen, and ends the process
        raise NotParseableError(f"the body begins with an unexpected {message.type}, not with a schema")
    return pa.ipc.read_schema(message), messages


def _mapped(file: BinaryIO) -> pa.NativeFile:
    """Return a file whose parts are used where they are, without a copy."""
    if isinstance(file, io.BytesIO):
        return pa.BufferReader(file.getbuffer())
    file.flush()
    return pa.memory_map(str(file.name))


@dataclass(frozen=True)
class _Source:
    """Where the cells of a column come from: a field of the file, or one place of its lists."""

    field: str
    place: int | None = None


def _frame(schema: pa.Schema, batches: Batches, limits: TableLimits) -> Frame:
    """Say what the columns of a schema are."""
    check_width(len(schema), limits)
    fields = check_names([str(name) for name in schema.names], limits)
    spellings = dict(zip(fields, schema.names, strict=True))
    index = _index_columns(schema)
    sources: dict[str, _Source] = {}
    kinds: dict[str, Decision] = {}
    left_out: list[LeftOut] = []
    remarks: list[Warned] = []
    for name in fields:
        kind = schema.field(spellings[name]).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        if spellings[name] in index:
            left_out.append(LeftOut(name, "it is a stored index"))
        elif _is_list_of_numbers(kind):
            width = _width_of_lists(spellings[name], kind, batches)
            check_width(max(1, width), limits)
            sources |= {f"{name}[{place}]": _Source(spellings[name], place) for place in range(width)}
            detail = f"{name!r} holds lists of {width} numbers, read as {width} features"
            remarks.append(Warned("lists", detail, name, width))
            continue
        elif types.is_temporal(kind):
            kinds[name] = Decision("ignore", DATES)
        elif not (_is_number(kind) or is_text(kind)):
            left_out.append(LeftOut(name, f"it holds {kind}, which is not read"))
        sources[name] = _Source(spellings[name])
    names = check_names(list(sources), limits)
    if fields != tuple(schema.names):
        remarks.append(Warned("spaces_in_names", "spaces around names of columns were taken off"))
    return Frame(
        names=names,
        batches=lambda wanted: _columns(batches, {name: sources[name] for name in wanted}),
        kinds=kinds,
        left_out=tuple(left_out),
        remarks=tuple(remarks),
    )


def _columns(batches: Batches, sources: dict[str, _Source]) -> Iterator[Columns]:
    fields = list(dict.fromkeys(source.field for source in sources.values()))
    for batch in batches(fields):
        columns = {field: _plain(batch.column(field)) for field in fields}
        yield {
            name: columns[source.field]
            if source.place is None
            else pc.list_element(_padded(columns[source.field]), source.place)
            for name, source in sources.items()
        }


def _plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if types.is_dictionary(array.type) else array


def _padded(array: pa.Array) -> pa.Array:
    """Return lists without empty ones, which stand for nothing but missing numbers."""
    return pc.if_else(pc.equal(pc.list_value_length(array), 0), pa.scalar(None, array.type), array)


def _width_of_lists(name: str, kind: pa.DataType, batches: Batches) -> int:
    """Return how many numbers each list of a column has.

    Raises:
        InvalidError: Lists differ in their length.
    """
    if types.is_fixed_size_list(kind):
        return int(kind.list_size)
    widths: set[int] = set()
    row = 0
    for batch in batches([name]):
        lengths = pc.list_value_length(batch.column(name)).fill_null(0).to_numpy(zero_copy_only=False)
        widths |= {int(length) for length in set(lengths.tolist()) - {0}}
        if len(widths) > 1:
            place = Place(detail=f"lists of {sorted(widths)[:5]} numbers", column=name, row=row + 1)
            raise InvalidError(
                f"column {name!r} holds lists that differ in length; series are not read yet, so give the "
                "column the type ignore or make its lists equally long",
                [place],
                code="lists_differ",
            )
        row += batch.num_rows
    return widths.pop() if widths else 0


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )


def _is_list_of_numbers(kind: pa.DataType) -> bool:
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return is_list and _is_number(kind.value_type)


def _index_columns(schema: pa.Schema) -> set[str]:
    """Return the columns that pandas wrote as a frame's index."""
    try:
        described: Any = schema.pandas_metadata or {}
        return {name for name in described.get("index_columns", []) if isinstance(name, str)}
    except (ValueError, AttributeError, TypeError):  # metadata is whatever somebody wrote
        return set()


@contextmanager
def _readable(kind: str) -> Iterator[None]:
    """Turn Arrow's complaints about a file into the API's."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise NotParseableError(f"the body is not {kind} that can be read: {str(error)[:200]}") from None
