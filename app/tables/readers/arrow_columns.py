"""Says what the columns of an Arrow schema are, and takes them out of its batches."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from app.problems import InvalidError, NotParseableError, Place
from app.tables.channels.choose import choose_channels
from app.tables.channels.family import ChannelFamily
from app.tables.channels.list_families import family_of_lists, kind_of_lists, width_of_lists
from app.tables.channels.lists import MAX_DEPTH, depth_of, look_at_lists
from app.tables.channels.names import check_families
from app.tables.columns.frame import Columns, Frame
from app.tables.columns.options import ReadOptions
from app.tables.columns.settle import settle
from app.tables.columns.survey import DATES, Decision
from app.tables.columns.text_cells import is_number, is_text
from app.tables.table import (
    AS_ASKED,
    SPACES,
    SPACES_TAKEN_OFF,
    LeftOut,
    Table,
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


def table_of(schema: pa.Schema, batches: Batches, options: ReadOptions, limits: TableLimits) -> Table:
    """Read the columns of a schema: features, series and grids.

    Raises:
        InvalidError: They cannot be used.
    """
    frame, channels = sort_columns(schema, batches, options, limits)
    is_upload = options.known is None  # elsewhere keys alone have a type
    field_name, cannot = ("types", "has no type") if is_upload else ("keys", "cannot be a key")
    faults = [
        Place(detail=f"it is a {channels[name].kind}, which {cannot}", field=field_name, column=name)
        for name in options.types
        if name in channels
    ]
    if faults:
        raise InvalidError(f"column {faults[0].column!r}: {faults[0].detail}", faults)
    check_families(options, set(frame.lists.values()), channels)
    table = replace(settle(frame, options), channels=channels)
    return choose_channels(table, options, limits)


def sort_columns(
    schema: pa.Schema, batches: Batches, options: ReadOptions, limits: TableLimits
) -> tuple[Frame, dict[str, ChannelFamily]]:
    """Say which columns of a schema may be features, and which are series or grids."""
    with readable("a table"):  # whose names may be no text
        spelled = schema.names
    check_width(len(spelled), limits)
    fields = check_names([name.strip(SPACES) for name in spelled], limits)
    found = _Found([SPACES_TAKEN_OFF] if fields != tuple(spelled) else [])
    for name, spelling in zip(fields, spelled, strict=True):
        kind = schema.field(spelling).type
        if depth_of(kind) is not None:
            found.sort_lists(name, schema.field(spelling), batches, options, limits)
        else:
            found.sort_cells(name, spelling, kind)
    index = _index_columns(schema)
    names = list(found.sources)
    frame = Frame(
        names=take_names(options.columns, names, limits) if names or not found.channels else (),
        batches=lambda wanted: _columns(batches, {name: found.sources[name] for name in wanted}),
        kinds=found.kinds,
        numbers=frozenset(found.numbers),
        indices=tuple(name for name, source in found.sources.items() if source.field in index),
        lists=found.lists,
        left_out=tuple(found.left_out),
        remarks=tuple(found.remarks),
    )
    return frame, found.channels


@dataclass
class _Found:
    """What was found out about the columns of a schema."""

    remarks: list[Warned]
    left_out: list[LeftOut] = field(default_factory=list)
    sources: dict[str, _Source] = field(default_factory=dict)
    kinds: dict[str, Decision] = field(default_factory=dict)
    numbers: set[str] = field(default_factory=set)
    lists: dict[str, str] = field(default_factory=dict)
    channels: dict[str, ChannelFamily] = field(default_factory=dict)

    def sort_cells(self, name: str, spelling: str, kind: pa.DataType) -> None:
        """Note what a column of single cells holds."""
        kind = kind.value_type if types.is_dictionary(kind) else kind
        self.sources[name] = _Source(spelling)
        if types.is_temporal(kind) and not types.is_duration(kind):
            self.kinds[name] = Decision("ignore", DATES)
        elif is_number(kind) or types.is_duration(kind):
            self.numbers.add(name)
        elif not is_text(kind):
            self.left_out.append(LeftOut(name, f"it holds {kind}, which is not read"))

    def sort_lists(
        self, name: str, column: pa.Field, batches: Batches, options: ReadOptions, limits: TableLimits
    ) -> None:
        """Look at a column of lists, and note what it is."""
        if _is_unwanted(name, options):
            self.left_out.append(LeftOut(name, AS_ASKED))
            return
        depth = depth_of(column.type) or 0
        if depth > MAX_DEPTH:
            self.left_out.append(LeftOut(name, f"it holds {column.type}, which is not read"))
            return

        def arrays() -> Iterator[pa.Array]:
            return (batch.column(column.name) for batch in batches([column.name]))

        lists = look_at_lists(name, column.type, arrays())
        is_features = options.known is not None and name not in options.kinds
        if is_features or kind_of_lists(name, lists, options) == "tabular":
            self.add_list(name, column.name, width_of_lists(name, lists, limits))
        else:
            self.channels[name] = family_of_lists(name, column.type, arrays, lists, options, limits)

    def add_list(self, name: str, spelling: str, width: int) -> None:
        """Make a column of each place of a column's lists."""
        places = {f"{name}[{place}]": _Source(spelling, place) for place in range(width)}
        self.sources |= places
        self.numbers |= places.keys()
        self.lists |= dict.fromkeys(places, name)
        detail = (
            f"{name!r} holds lists of {width} numbers, read as {width} features; "
            f'kinds={{"{name}": "series"}} reads each as a series'
        )
        self.remarks.append(Warned("lists", detail, name, width))


def _is_unwanted(name: str, options: ReadOptions) -> bool:
    """Whether no place of the lists of a column is to be read, so that they may have any length."""
    if options.known is not None:
        return name not in options.kinds and not any(known.startswith(f"{name}[") for known in options.known)
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
    if isinstance(array, pa.ExtensionArray):
        return array.storage
    array = array.dictionary_decode() if types.is_dictionary(array.type) else array
    if not types.is_duration(array.type):
        return array
    return pc.divide(array.cast(pa.int64()).cast(pa.float64(), safe=False), UNITS_PER_SECOND[array.type.unit])


def _padded(array: pa.Array) -> pa.Array:
    """Return lists without empty ones, which stand for nothing but missing numbers."""
    return pc.if_else(pc.equal(pc.list_value_length(array), 0), pa.scalar(None, array.type), array)


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
