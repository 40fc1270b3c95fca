"""Says what the columns of an Arrow schema are, and takes them out of its batches."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from app.problems import InvalidError, NotParseableError, Place
from app.tables.columns.frame import Columns, Frame
from app.tables.columns.options import ReadOptions
from app.tables.columns.survey import DATES, Decision
from app.tables.columns.text_cells import is_number, is_text
from app.tables.table import (
    AS_ASKED,
    SPACES,
    SPACES_TAKEN_OFF,
    LeftOut,
    TableLimits,
    Warned,
    check_names,
    check_width,
    take_names,
)

UNITS_PER_SECOND = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}
Batches = Callable[[Sequence[str] | None], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class _Source:
    """Where the cells of a column come from: a field of the file, or one place of its lists."""

    field: str
    place: int | None = None


def frame_of(schema: pa.Schema, batches: Batches, options: ReadOptions, limits: TableLimits) -> Frame:
    """Say what the columns of a schema are."""
    with readable("a table"):  # whose names may be no text
        spelled = schema.names
    check_width(len(spelled), limits)
    fields = check_names([name.strip(SPACES) for name in spelled], limits)
    found = _Found([SPACES_TAKEN_OFF] if fields != tuple(spelled) else [])
    for name, spelling in zip(fields, spelled, strict=True):
        kind = schema.field(spelling).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        if _is_list_of_numbers(schema.field(spelling).type):
            if _is_unwanted(name, options):
                found.left_out.append(LeftOut(name, AS_ASKED))
                continue
            width = _width_of_lists(name, schema.field(spelling), batches, limits)
            found.add_list(name, spelling, width)
            continue
        found.sources[name] = _Source(spelling)
        if types.is_temporal(kind) and not types.is_duration(kind):
            found.kinds[name] = Decision("ignore", DATES)
        elif is_number(kind) or types.is_duration(kind):
            found.numbers.add(name)
        elif not is_text(kind):
            found.left_out.append(LeftOut(name, f"it holds {kind}, which is not read"))
    index = _index_columns(schema)
    return Frame(
        names=take_names(options.columns, list(found.sources), limits),
        batches=lambda wanted: _columns(batches, {name: found.sources[name] for name in wanted}),
        kinds=found.kinds,
        numbers=frozenset(found.numbers),
        indices=tuple(name for name, source in found.sources.items() if source.field in index),
        lists=found.lists,
        left_out=tuple(found.left_out),
        remarks=tuple(found.remarks),
    )


@dataclass
class _Found:
    """What was found out about the columns of a schema."""

    remarks: list[Warned]
    left_out: list[LeftOut] = field(default_factory=list)
    sources: dict[str, _Source] = field(default_factory=dict)
    kinds: dict[str, Decision] = field(default_factory=dict)
    numbers: set[str] = field(default_factory=set)
    lists: dict[str, str] = field(default_factory=dict)

    def add_list(self, name: str, spelling: str, width: int) -> None:
        """Make a column of each place of a column's lists."""
        places = {f"{name}[{place}]": _Source(spelling, place) for place in range(width)}
        self.sources |= places
        self.numbers |= places.keys()
        self.lists |= dict.fromkeys(places, name)
        detail = f"{name!r} holds lists of {width} numbers, read as {width} features"
        self.remarks.append(Warned("lists", detail, name, width))


def _is_unwanted(name: str, options: ReadOptions) -> bool:
    """Whether no place of the lists of a column is to be read, so that they may have any length."""
    if options.known is not None:
        return not any(known.startswith(f"{name}[") for known in options.known)
    is_ignored = options.types.get(name) == "ignore"
    return is_ignored or not replace(options, include=None).is_wanted(name)


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
    """Return the values that indices stand for, and durations as seconds."""
    array = array.dictionary_decode() if types.is_dictionary(array.type) else array
    if not types.is_duration(array.type):
        return array
    return pc.divide(array.cast(pa.int64()).cast(pa.float64()), UNITS_PER_SECOND[array.type.unit])


def _padded(array: pa.Array) -> pa.Array:
    """Return lists without empty ones, which stand for nothing but missing numbers."""
    return pc.if_else(pc.equal(pc.list_value_length(array), 0), pa.scalar(None, array.type), array)


def _width_of_lists(name: str, column: pa.Field, batches: Batches, limits: TableLimits) -> int:
    """Return how many numbers each list of a column has.

    Raises:
        InvalidError: Lists differ in their length, or are too long.
    """
    if types.is_fixed_size_list(column.type):
        check_width(max(1, column.type.list_size), limits)
        return int(column.type.list_size)
    widths: set[int] = set()
    row = 0
    for batch in batches([column.name]):
        lengths = pc.fill_null(pc.list_value_length(batch.column(column.name)), 0)
        for length in lengths.unique().to_pylist():
            if length and widths and length not in widths:
                row += pc.index(lengths, length).as_py() + 1
                raise _lists_differ(name, row, [*widths, length])
            widths |= {length} - {0}
        row += batch.num_rows
    width = widths.pop() if widths else 0
    check_width(max(1, width), limits)
    return width


def _lists_differ(name: str, row: int, widths: list[int]) -> InvalidError:
    place = Place(detail=f"lists of {widths[0]} and of {widths[1]} numbers", column=name, row=row)
    return InvalidError(
        f"column {name!r} holds lists that differ in length; series are not read yet, so give the column the "
        "type ignore or make its lists equally long",
        [place],
        code="lists_differ",
    )


def _is_list_of_numbers(kind: pa.DataType) -> bool:
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return is_list and is_number(kind.value_type)


def _index_columns(schema: pa.Schema) -> set[str]:
    """Return the columns that pandas wrote as a frame's index."""
    try:
        described: Any = schema.pandas_metadata or {}
        return {name for name in described.get("index_columns", []) if isinstance(name, str)}
    except (ValueError, AttributeError, TypeError):  # metadata is whatever somebody wrote
        return set()


@contextmanager
def readable(kind: str) -> Iterator[None]:
    """Turn Arrow's complaints about a file into the API's."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise NotParseableError(f"the body is not {kind} that can be read: {str(error)[:200]}") from None
