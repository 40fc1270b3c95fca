"""What every reader returns: named columns, and rows that arrive block by block."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.problems import InvalidError, Place, TooLargeError
from app.tables.channels.family import ChannelFamily
from catvq.names import escape_hidden, hidden_character

MAX_NAME_LENGTH = 200  # the same as a name's length in a job
SPACES = " \t\N{NO-BREAK SPACE}"  # are no part of what they surround
BLOCK_CELLS = 1 << 20  # 8 MB of float64 at a time: large enough to be fast, small enough to be nothing


@dataclass(frozen=True)
class TableLimits:
    """How much one table may hold.

    Args:
        max_rows: Rows of data.
        max_features: Columns.
        max_expanded_bytes: What a file of this size may unpack to, and its values take as float32.
        max_channel_values: Values of all series and grids together.
        max_series_length: Steps of one series.
        max_grid_cells: Of one grid, height times width.
        scratch_dir: Where it is unpacked.
    """

    max_rows: int
    max_features: int
    max_expanded_bytes: int
    max_channel_values: int
    max_series_length: int
    max_grid_cells: int
    scratch_dir: Path


@dataclass(frozen=True)
class Warned:
    """Something odd about a table that is accepted and handled.

    Args:
        code: What kind of oddity, such as missing_values or left_out.
        detail: What is odd, and what is done about it.
        column: The column, where it is about one.
        count: Of cells, where it is about some.
    """

    code: str
    detail: str
    column: str | None = None
    count: int | None = None


AS_ASKED = "as asked"  # why a column is left out
SPACES_TAKEN_OFF = Warned("spaces_in_names", "spaces around names of columns were taken off")


@dataclass(frozen=True)
class LeftOut:
    """A column that is not learnt from."""

    name: str
    reason: str


@dataclass(frozen=True)
class Table:
    """Rows of features as numbers; NaN is missing.

    Args:
        columns: One name for each feature.
        blocks: Reads arrays [rows of the block, columns] of any number type, anew with each call.
        has_names: Whether the file named its columns; otherwise the names were made up.
        family_widths: Columns of each family, in order, when the file is made of families.
        values_of: The values of each categorical feature, whose cells hold their index.
        origins: From when each feature of times counts its seconds, in ISO 8601.
        keys: Columns that are stored and never learnt from, Arrow arrays of text.
        channels: Series and grids beside the columns, by family; they have the same rows.
        left_out: Columns that are neither features nor keys.
        line_of: The line of a row in a text file; rows count from 1.
        remarks: What is odd about the file although it can be read.
        typed: Reads the file again, with fewer columns taken for plain numbers, where a cell turns out to be
            none.
    """

    columns: tuple[str, ...]
    blocks: Callable[[], Iterator[NDArray[Any]]]
    has_names: bool
    family_widths: dict[str, int] | None = None
    values_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)
    channels: Mapping[str, ChannelFamily] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    line_of: Callable[[int], int] | None = None
    remarks: tuple[Warned, ...] = ()
    typed: Callable[[], "Table"] | None = None


class NotPlainError(Exception):
    """A cell of a table that was read as plain numbers is none: it has to be read by `typed`."""


@lru_cache(maxsize=16)
def numbered(width: int) -> tuple[str, ...]:
    """Make up names for `width` columns, which should be known to be within the limits: f0, f1, ..."""
    return tuple(f"f{index}" for index in range(width))


def rows_per_block(width: int) -> int:
    """Return how many rows to read at a time."""
    return max(1, BLOCK_CELLS // max(1, width))


def check_names(names: Sequence[str], limits: TableLimits, field_name: str = "columns") -> tuple[str, ...]:
    """Return the names as a tuple when a dataset can use them.

    Raises:
        InvalidError: There are none or too many, or one is empty, too long, there twice or not visible.
    """
    check_width(len(names), limits)
    faults: list[Place] = []
    seen: set[str] = set()
    for position, name in enumerate(names, start=1):
        twice = f"is named {name!r}, which is there twice" if name in seen else None
        fault = fault_of_name(name) or twice
        seen.add(name)
        if fault:
            shown = escape_hidden(name[:MAX_NAME_LENGTH])
            faults.append(Place(detail=f"column {position} {fault}", field=field_name, column=shown))
    if faults:
        code = "duplicate_column" if "twice" in faults[0].detail else "invalid_column_name"
        raise InvalidError(f"the names of the columns cannot be used: {faults[0].detail}", faults, code=code)
    return tuple(names)


def take_names(sent: tuple[str, ...] | None, names: Sequence[str], limits: TableLimits) -> tuple[str, ...]:
    """Return the names of a file that names its columns; others may not be sent with it.

    Raises:
        InvalidError: Others were sent, or the names cannot be used.
    """
    taken = check_names([name.strip(SPACES) for name in names], limits)
    if sent is not None and sent != taken:
        raise InvalidError("the file names its columns itself", [Place(detail="not needed", field="columns")])
    return taken


def give_names(sent: tuple[str, ...], width: int, limits: TableLimits) -> tuple[str, ...]:
    """Return the names that were sent with a file that has none.

    Raises:
        InvalidError: They are too few or too many, or cannot be used.
    """
    if len(sent) != width:
        detail = f"{len(sent)} names for {width} columns"
        raise InvalidError(detail, [Place(detail=detail, field="columns")], code="wrong_width")
    return check_names([name.strip(SPACES) for name in sent], limits)


def fault_of_name(name: str) -> str | None:
    """Say what is wrong with the name of a column or family, as what it `has`; None where nothing is."""
    if not name:
        return "has no name"
    if len(name) > MAX_NAME_LENGTH:
        return f"has a name longer than {MAX_NAME_LENGTH} characters"
    if hidden := hidden_character(name):
        return f"has {hidden} in its name, which cannot be seen; leave it out"
    return None


def check_width(width: int, limits: TableLimits) -> None:
    """Raise `InvalidError` when a table has no columns or more than the limit."""
    if width == 0:
        place = Place(detail="there are none", field="columns")
        raise InvalidError("the table has no columns", [place], code="no_columns")
    if width > limits.max_features:
        raise InvalidError(
            f"the table has {width} columns; at most {limits.max_features} are taken",
            [Place(detail=f"{width} columns", field="columns")],
            code="too_many_features",
        )


def check_has_rows(rows: int, field_name: str = "rows") -> None:
    """Raise `InvalidError` when there are no rows."""
    if rows == 0:
        place = Place(detail="there are none", field=field_name)
        raise InvalidError("there are no rows", [place], code="no_rows")


def expands_too_much(limits: TableLimits) -> TooLargeError:
    """Return the refusal of a file that unpacks to more than the limit."""
    return TooLargeError(
        f"the file unpacks to more than {limits.max_expanded_bytes} bytes, which is what one of its size may",
        code="expands_too_much",
    )


def check_number_type(dtype: np.dtype[Any], name: str | None = None) -> None:
    """Raise `InvalidError` when an array, of this name if it has one, does not hold real numbers."""
    if is_real(dtype):
        return
    kinds = {
        "U": "text",
        "S": "bytes",
        "M": "dates",
        "m": "durations",
        "c": "complex numbers",
        "V": "records",
    }
    detail = f"it holds {kinds.get(dtype.kind, 'something else')} ({dtype}), not real numbers"
    remedy = "leave it out, or send it as a column of CSV, Arrow or Parquet"
    place = Place(detail=f"{detail}; {remedy}", field=name or "rows")
    shown = "the array" if name is None else f"the array {escape_hidden(name[:MAX_NAME_LENGTH])!r}"
    raise InvalidError(f"{shown}: {place.detail}", [place], code="not_numeric")


def is_real(dtype: np.dtype[Any]) -> bool:
    """Whether an array holds real numbers, or truth values."""
    return dtype.kind in "biuf"


def array_blocks(array: NDArray[Any]) -> Callable[[], Iterator[NDArray[Any]]]:
    """Return what cuts an array, possibly memory-mapped, into blocks of rows."""

    def blocks() -> Iterator[NDArray[Any]]:
        step = rows_per_block(math.prod(array.shape[1:]))
        for start in range(0, array.shape[0], step):
            yield np.asarray(array[start : start + step])

    return blocks
