"""Finds out how a CSV file is built: its delimiter, its names, and where its rows begin."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from app.problems import InvalidError, NotParseableError, Place
from app.tables.columns.options import ReadOptions
from app.tables.formulas import unquote_formulas
from app.tables.table import SPACES, TableLimits, check_width, give_names, numbered

MAX_HEADER_BYTES = 4 << 20  # 10,000 names of 200 characters, quoted and in two-byte letters
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
INDEX_NAME = "Unnamed: {}"  # pandas' own name for a column without one
OTHER_DELIMITERS = {";": ";", "\t": "tab", "|": "|"}
QUOTED_NAMES = '" "'  # as R's write.table separates them
_SEPARATOR_LINE = re.compile(rb"sep=([^\w\"\x00-\x08\x0a-\x1f\x7f-\xff])(?:\r\n?|\n)", re.IGNORECASE)
_INDEX_NAME = re.compile(r"(?:Unnamed: \d+(?:_level_\d+)?(?:\.\d+)*)?")  # pandas' own, or none at all


@dataclass(frozen=True)
class CsvLayout:
    """How a file is built.

    Args:
        names: Of all columns, the index included.
        offset: Where the rows begin.
        lines_before: Lines before that.
        indices: How many columns at the beginning are a stored index.
    """

    names: tuple[str, ...]
    offset: int
    lines_before: int
    delimiter: str
    decimal: str
    has_header: bool
    indices: int
    has_spaces: bool


def read_layout(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> CsvLayout:
    """Look at the beginning of a file.

    Raises:
        NotParseableError: The header is not UTF-8.
        InvalidError: There is no header, or it cannot be read.
    """
    file.seek(0)
    start = file.read(MAX_HEADER_BYTES)
    offset = len(BYTE_ORDER_MARK) if start.startswith(BYTE_ORDER_MARK) else 0
    delimiter = options.delimiter
    if found := _SEPARATOR_LINE.match(start, offset):
        delimiter, offset = found[1].decode("ascii"), found.end()
    lines_before = 1 if found else 0
    # A character may be cut in two at the end of what was read.
    text = start[offset:].decode("utf-8", errors="surrogateescape")
    lines = _CountedLines(text)
    header, used = _next_row(lines, delimiter)
    if header is None:
        place = Place(detail="there is nothing", field="rows", line=1)
        raise InvalidError("the table is empty: no header line and no rows", [place], code="no_rows")
    if len(start) == MAX_HEADER_BYTES and lines.used == len(text):
        raise _of_header(f"is longer than {MAX_HEADER_BYTES} bytes")
    try:
        header_bytes = len(text[:used].encode("utf-8"))
    except UnicodeEncodeError:
        place = Place(detail="not UTF-8; save the file as UTF-8", line=lines_before + 1)
        raise NotParseableError(f"the header line is {place.detail}", [place]) from None
    check_width(len(header), limits)  # before so many names are made
    if not options.has_header:
        names = _names_for(len(header), options, limits)
        return CsvLayout(names, offset, lines_before, delimiter, options.decimal, False, 0, has_spaces=False)
    _check_delimiter(text[:used], text[used : used + MAX_HEADER_BYTES], header, delimiter)
    first_row, _ = _next_row(lines, delimiter)
    has_extra = first_row is not None and len(first_row) == len(header) + 1 and len(header) > 1
    names = (*([""] if has_extra else []), *(unquote_formulas(name.strip(SPACES)) for name in header))
    indices = _count_indices(names)
    return CsvLayout(
        (*_name_indices(names[:indices]), *names[indices:]),
        offset + header_bytes,
        lines_before + sum(1 for _ in io.StringIO(text[:used], newline="")),
        delimiter,
        options.decimal,
        has_header=True,
        indices=indices,
        has_spaces=any(name != name.strip(SPACES) for name in header),
    )


def _count_indices(names: Sequence[str]) -> int:
    """Return how many columns at the beginning have no name, or pandas' name for none, if others have one."""
    count = next((index for index, name in enumerate(names) if not _INDEX_NAME.fullmatch(name)), 0)
    return count if count < len(names) else 0


def _name_indices(names: Sequence[str]) -> Iterator[str]:
    """Give those that have no name one that is not there yet."""
    for position, name in enumerate(names):
        made = INDEX_NAME.format(position)
        while not name and made in names:
            made += ".1"
        yield name or made


def _next_row(lines: "_CountedLines", delimiter: str) -> tuple[list[str] | None, int]:
    """Return the next row that is not empty, and how many characters were used by then; None at the end."""
    row: list[str] = []
    try:
        while not row:
            row = next(csv.reader(lines, delimiter=delimiter))
    except StopIteration:
        return None, lines.used
    except csv.Error as error:
        raise _of_header(f"cannot be read: {error}") from None
    return row, lines.used


def _of_header(detail: str) -> InvalidError:
    return InvalidError(
        f"the header line {detail}", [Place(detail=detail, field="columns")], code="invalid_csv"
    )


def _names_for(width: int, options: ReadOptions, limits: TableLimits) -> tuple[str, ...]:
    """Return names for a file that has none: those that were sent, or as many that are known."""
    if options.columns is not None:
        return give_names(options.columns, width, limits)
    known = tuple(options.known or ())
    return known if len(known) == width else numbered(width)


def _check_delimiter(header_line: str, rest: str, header: list[str], delimiter: str) -> None:
    """Refuse a file whose only name holds what looks like the delimiter."""
    if len(header) != 1:
        return
    first_line = rest.lstrip("\r\n").partition("\n")[0]
    others = OTHER_DELIMITERS | ({" ": "space"} if QUOTED_NAMES in header_line else {})
    for other, shown in others.items():
        names, cells = (len(_cut(line, other)) for line in (header_line, first_line))
        # R leaves out the name of the row names.
        if other != delimiter and 1 < names <= cells <= names + 1:
            detail = f"the header line holds one name; it looks as if {shown!r} separates the cells"
            raise InvalidError(
                f"{detail}: send delimiter={shown}",
                [Place(detail=detail, field="delimiter")],
                code="wrong_delimiter",
            )


def _cut(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line; none where it cannot be read."""
    with suppress(csv.Error, StopIteration):
        return next(csv.reader([line], delimiter=delimiter))
    return []


class _CountedLines:
    """The lines of a text, counting the characters that were handed out."""

    def __init__(self, text: str) -> None:
        self._lines = iter(io.StringIO(text, newline=""))
        self.used = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.used += len(line)
        return line
