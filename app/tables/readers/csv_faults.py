"""Finds the rows of a CSV file that cannot be read, and the line of any row, the slow way."""

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from app.problems import MAX_PLACES, InvalidError, Place
from app.tables.readers.csv_layout import CsvLayout

MAX_ROW_CHARACTERS = 8 << 20  # Arrow reads no row beyond its blocks, which are of this size


def find_fault(file: BinaryIO, layout: CsvLayout) -> InvalidError | None:
    """Find the first rows that cannot be read, and what is wrong with them; None where nothing is."""
    row, width = 0, len(layout.names)
    places: list[Place] = []
    try:
        for row, (line, cells) in enumerate(_slow_rows(file, layout), start=1):
            if len(cells) != width:
                detail = f"row {row} has {len(cells)} cells, the header {width}"
                places.append(Place(detail=detail, row=row, line=line))
            elif any("\N{REPLACEMENT CHARACTER}" in cell for cell in cells):
                detail = f"row {row} is not UTF-8 text; save the file as UTF-8"
                return InvalidError(detail, [Place(detail=detail, row=row, line=line)], code="not_utf8")
            if len(places) == MAX_PLACES:
                break
    except csv.Error as error:
        if not places:
            place = Place(detail=str(error), row=row + 1)
            return InvalidError(f"row {row + 1}: {error}", [place], code="invalid_csv")
    return InvalidError(places[0].detail, places, code="ragged_row") if places else None


def _slow_rows(file: BinaryIO, layout: CsvLayout) -> Iterator[tuple[int, list[str]]]:
    """Return the line on which each row ends, and its cells."""
    file.seek(layout.offset)
    text = io.TextIOWrapper(file, "utf-8", errors="replace", newline="")
    try:
        lines = _LinesOfRows(text)
        reader = csv.reader(lines, delimiter=layout.delimiter)
        for cells in reader:
            lines.begin_row()
            if cells:
                yield layout.lines_before + reader.line_num, cells
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


def line_of(file: BinaryIO, layout: CsvLayout, row: int) -> int:
    """Return the line on which a row ends, both counted from 1.

    Raises:
        InvalidError: There are not so many rows.
    """
    for number, (line, _) in enumerate(_slow_rows(file, layout), start=1):
        if number == row:
            return line
    raise InvalidError(f"row {row} cannot be found again", code="invalid_csv")
