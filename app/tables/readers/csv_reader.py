"""Reads CSV: fast through Arrow, and once more slowly to say where the fault is."""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from app.problems import InvalidError, NotParseableError, Place
from app.tables.formulas import unquote_formulas
from app.tables.table import MAX_NAME_LENGTH, Table, TableLimits, check_names, rows_per_block

MAX_HEADER_BYTES = 4 << 20  # 10,000 names of 200 characters, quoted and in two-byte letters
MAX_ROW_CHARACTERS = 8 << 20  # Arrow reads no row beyond its blocks, which are of this size
MAX_SHOWN_CELL = 40
SPACES = " \t\N{NO-BREAK SPACE}"  # around a name; what else cannot be seen is refused with it
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK_CELLS = [" " * count for count in range(17)]  # Arrow knows only exact spellings of "empty"
_BLANK = re.compile(r" {0,16}")
_NUMBER = re.compile(
    r"[ \t]*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan(\([a-z0-9_]*\))?|inf(inity)?)[ \t]*",
    re.ASCII | re.IGNORECASE,
)


def read_csv(file: BinaryIO, limits: TableLimits) -> Table:
    """Read CSV with one header line, in UTF-8; empty lines are skipped, an empty or NaN cell is missing.

    An apostrophe that keeps a name from being a formula, as the service's own CSV has it, is taken off.

    Raises:
        NotParseableError: The header is not UTF-8.
        InvalidError: The header cannot be used, or (while the blocks are read) a row or a cell.
    """
    header, body_offset = _read_header(file)
    columns = check_names(header, limits)
    remarks: tuple[Place, ...] = ()
    if all(_NUMBER.fullmatch(name) for name in columns):
        remarks = (
            Place(
                detail="every column name is a number; if the file has no header line, its first row is lost"
            ),
        )
    return Table(
        columns=columns,
        blocks=_blocks(file, columns, body_offset),
        has_names=True,
        line_of=lambda row: _line_of(file, body_offset, row),
        remarks=remarks,
    )


def _read_header(file: BinaryIO) -> tuple[list[str], int]:
    file.seek(0)
    start = file.read(MAX_HEADER_BYTES)
    offset = len(BYTE_ORDER_MARK) if start.startswith(BYTE_ORDER_MARK) else 0
    # A character may be cut in two at the end of what was read.
    text = start[offset:].decode("utf-8", errors="surrogateescape")
    lines = _CountedLines(text)
    header: list[str] = []
    try:
        while not header:
            header = next(csv.reader(lines))
    except StopIteration:
        raise InvalidError("the table is empty: no header line and no rows", code="no_rows") from None
    except csv.Error as error:
        raise InvalidError(f"the header line cannot be read: {error}", code="invalid_csv") from None
    if len(start) == MAX_HEADER_BYTES and lines.used == len(text):
        raise InvalidError(f"the header line is longer than {MAX_HEADER_BYTES} bytes", code="invalid_csv")
    try:
        used = text[: lines.used].encode("utf-8")
    except UnicodeEncodeError:
        raise NotParseableError("the header line is not UTF-8 text") from None
    return [unquote_formulas(name.strip(SPACES)) for name in header], offset + len(used)


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


def _blocks(file: BinaryIO, columns: tuple[str, ...], offset: int) -> Iterator[NDArray[Any]]:
    file.seek(0, io.SEEK_END)
    if file.tell() == offset:
        return
    file.seek(offset)
    step = rows_per_block(len(columns))
    rows_read = 0
    try:
        for batch in _open(file, len(columns)):
            for start in range(0, batch.num_rows, step):
                part = batch.slice(start, step)
                yield np.column_stack([column.to_numpy(zero_copy_only=False) for column in part.columns])
                rows_read += part.num_rows
    except pa.ArrowInvalid as error:
        fault = _find_fault(file, columns, offset, rows_read=rows_read)
        reason = f"the rows cannot be read: {str(error)[:MAX_NAME_LENGTH]}"
        raise fault or InvalidError(reason, code="invalid_csv") from None


def _open(file: BinaryIO, width: int) -> Any:
    names = [str(index) for index in range(width)]
    return arrow_csv.open_csv(
        pa.PythonFile(file, mode="r"),
        read_options=arrow_csv.ReadOptions(
            use_threads=False, column_names=names, block_size=MAX_ROW_CHARACTERS
        ),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.float64()),
            null_values=_BLANK_CELLS,
            quoted_strings_can_be_null=True,
        ),
    )


def _find_fault(
    file: BinaryIO, columns: tuple[str, ...], offset: int, *, rows_read: int
) -> InvalidError | None:
    """Find the first row that cannot be read, and what is wrong with it; the first `rows_read` were fine."""
    row = 0
    try:
        for row, (line, cells) in enumerate(_slow_rows(file, offset), start=1):
            if row > rows_read and (fault := _fault_of(cells, columns, row, line)):
                return fault
    except csv.Error as error:
        place = Place(detail=str(error), row=row + 1)
        return InvalidError(f"row {row + 1}: {error}", [place], code="invalid_csv")
    return None


def _fault_of(cells: list[str], columns: tuple[str, ...], row: int, line: int) -> InvalidError | None:
    if len(cells) != len(columns):
        detail = f"row {row} has {len(cells)} cells, the header {len(columns)}"
        return InvalidError(detail, [Place(detail=detail, row=row, line=line)], code="ragged_row")
    faults = [
        Place(detail=f"{_shown(cell)} is not a number", column=name, row=row, line=line)
        for name, cell in zip(columns, cells, strict=True)
        if not (_NUMBER.fullmatch(cell) or _BLANK.fullmatch(cell))
    ]
    if not faults:
        return None
    detail = f"column {faults[0].column!r}, row {row} (line {line}): {faults[0].detail}"
    return InvalidError(detail, faults, code="not_numeric")


def _slow_rows(file: BinaryIO, offset: int) -> Iterator[tuple[int, list[str]]]:
    """Return the line on which each row ends, and its cells."""
    file.seek(0)
    text = io.TextIOWrapper(file, "utf-8", errors="replace", newline="")
    try:
        header = file.read(offset).decode("utf-8", errors="replace")
        lines_before = sum(1 for _ in io.StringIO(header, newline=""))
        lines = _LinesOfRows(text)
        reader = csv.reader(lines)
        for cells in reader:
            lines.begin_row()
            if cells:
                yield lines_before + reader.line_num, cells
    finally:
        text.detach()


class _LinesOfRows:
    """The lines of a text, as long as what belongs to one row stays small enough to be held in memory."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._left = MAX_ROW_CHARACTERS

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._left)
        if not line:
            raise StopIteration
        self._left -= len(line)
        if self._left <= 0:
            raise csv.Error(f"the row is longer than {MAX_ROW_CHARACTERS} characters")
        return line

    def begin_row(self) -> None:
        """Count from here."""
        self._left = MAX_ROW_CHARACTERS


def _line_of(file: BinaryIO, offset: int, row: int) -> int:
    for number, (line, _) in enumerate(_slow_rows(file, offset), start=1):
        if number == row:
            return line
    raise InvalidError(f"row {row} cannot be found again", code="invalid_csv")


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= MAX_SHOWN_CELL else f"{cell[:MAX_SHOWN_CELL]}...")
