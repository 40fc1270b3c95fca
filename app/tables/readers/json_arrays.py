"""Turns lists of lists of JSON into arrays, and says which row or cell does not fit."""

from codecs import BOM_UTF8
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
import simdjson
from numpy.typing import NDArray

from app.problems import InvalidError, Place
from app.tables.table import check_has_rows

# The most that a kept parser has read: it takes 24 bytes for each value, and as many as the body has.
KEPT_VALUES = 1 << 17
KEPT_BODY_BYTES = 1 << 21
PIECE_BYTES = 1 << 16  # what is compared at once stays in a core's cache

NUMBERS = {int, float}
CELLS = {int, float, type(None)}
TYPED_CELLS = {*CELLS, str, bool}
_KEPT_PARSER: deque[simdjson.Parser] = deque(maxlen=1)


def read_plain(body: bytes) -> NDArray[np.float64] | None:
    """Return rows that have no names, are equally long and hold nothing but numbers, which most are.

    Such are read straight into an array, five times as fast as by way of Python's objects. None stands for
    all others, also those that are refused: they are looked at closely. One parser is kept with its memory
    while that is little: to have as much cleared anew takes half as long as to parse.
    """
    try:
        parser = _KEPT_PARSER.pop()
    except IndexError:  # in use, or none was kept
        parser = simdjson.Parser()
    rows = _parse_plain(parser, body)
    if rows is not None and rows.size <= KEPT_VALUES and len(body) <= KEPT_BODY_BYTES:
        _KEPT_PARSER.append(parser)
    return rows


def _parse_plain(parser: simdjson.Parser, body: bytes) -> NDArray[np.float64] | None:
    # The parser would skip the mark; and what it makes of objects takes ten times their memory.
    if body.startswith(BOM_UTF8) or body.count(b"{") != 1:
        return None
    try:
        document = parser.parse(body)
        if not isinstance(document, simdjson.Object) or list(document.keys()) != ["rows"]:
            return None
        rows: Any = document["rows"]
        widths = {len(row) for row in rows}
        values = np.frombuffer(rows.as_buffer(of_type="d"), np.float64)
        # What is nested deeper comes out flat, too, but has more brackets.
        is_plain = len(widths) == 1 and _count_lists(body) == 1 + len(rows)
        return values.reshape(len(rows), -1) if is_plain and values.size else None
    except (ValueError, TypeError, AttributeError, RuntimeError):  # the last where it is nested too deep
        return None


def _count_lists(body: bytes) -> int:
    """Return how many there are in JSON without strings; `bytes.count` takes four times as long for many."""
    text = np.frombuffer(body, np.uint8)
    pieces = (text[start : start + PIECE_BYTES] for start in range(0, len(text), PIECE_BYTES))
    return sum(int(np.count_nonzero(piece == ord("["))) for piece in pieces)


@dataclass(frozen=True)
class Layout:
    """What a list of lists should look like, and what its columns are called in errors."""

    field: str
    kind: Literal["column", "token"]
    names: Sequence[str]
    width: int
    allowed: set[type]

    def fault_at(self, row: int, index: int, detail: str) -> InvalidError:
        """Return the error about one cell; rows count from 1, the index from 0."""
        name = self.names[index] if self.names else f"f{index}"
        named = {self.kind: name}
        place = Place(
            detail=detail, field=self.field, row=row, column=named.get("column"), token=named.get("token")
        )
        return InvalidError(f"row {row}, {self.kind} {name!r}: {detail}", [place], code="not_numeric")


def parse_matrix(rows: Any, layout: Layout) -> NDArray[np.float64]:
    """Return a list of lists as float64 [rows, width], null as NaN.

    Raises:
        InvalidError: A row has another length, or a cell another type.
    """
    field = layout.field
    if not isinstance(rows, list):
        place = Place(detail="not a list", field=field)
        raise InvalidError(f"{field} needs a list of rows", [place], code="invalid_type")
    check_has_rows(len(rows), field)
    # Whole-body checks first: they run in C, and looking for the place only starts when they fail.
    if not is_regular(rows, layout) or not has_only(rows, layout.allowed):
        raise explain(rows, layout)
    return np.array(rows, dtype=np.float64).reshape(len(rows), layout.width)


def is_regular(rows: Any, layout: Layout) -> bool:
    """Whether all rows are lists of the layout's width."""
    is_list = isinstance(rows, list) and all(type(row) is list for row in rows)
    return is_list and set(map(len, rows)) == {layout.width}


def has_only(rows: list[list[Any]], allowed: set[type]) -> bool:
    """Whether all cells are of these types."""
    return set(map(type, chain.from_iterable(rows))) <= allowed


def explain(rows: list[Any], layout: Layout) -> InvalidError:
    """Return the error about the first row or cell that does not fit the layout."""
    for number, row in enumerate(rows, start=1):
        if type(row) is not list:
            place = Place(detail="not a list", field=layout.field, row=number)
            return InvalidError(f"row {number} is not a list", [place], code="invalid_type")
        if len(row) != layout.width:
            detail = f"{len(row)} values, {layout.width} needed"
            place = Place(detail=detail, field=layout.field, row=number)
            return InvalidError(f"row {number} has {detail}", [place], code="wrong_width")
        for index, cell in enumerate(row):
            if type(cell) not in layout.allowed:
                return layout.fault_at(number, index, "not a number")
    raise AssertionError("the rows were refused although they are regular")


def width_of(rows: Any) -> int:
    """Return the length of the first row; 0 where there is none."""
    return len(rows[0]) if isinstance(rows, list) and rows and isinstance(rows[0], list) else 0
