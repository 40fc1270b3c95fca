"""Reads CSV through Arrow: plain numbers fast, other tables column by column; finds the place of a fault."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from app.problems import MAX_PLACES, InvalidError, Place
from app.tables.columns.frame import STORED_INDEX, Columns, Frame, left_out_remark
from app.tables.columns.options import ReadOptions
from app.tables.columns.settle import settle
from app.tables.formulas import QUOTED_PATTERN
from app.tables.readers.csv_layout import CsvLayout, read_layout
from app.tables.readers.mapped import mapped
from app.tables.table import (
    MAX_NAME_LENGTH,
    SPACES_TAKEN_OFF,
    LeftOut,
    NotPlainError,
    Table,
    TableLimits,
    Warned,
    rows_per_block,
    take_names,
)

MAX_ROW_CHARACTERS = 8 << 20  # Arrow reads no row beyond its blocks, which are of this size
_BLANK_CELLS = [" " * count for count in range(17)]  # Arrow knows only exact spellings of "empty"
_NUMERAL = re.compile(r"[ \t]*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?[ \t]*", re.ASCII | re.IGNORECASE)


def read_csv(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    """Read CSV in UTF-8; empty lines are skipped, an empty or NaN cell is missing.

    First columns without a name are a stored index and left out, as is one that rows have and the header has
    not. An apostrophe that keeps a name from being a formula, as the service's own CSV has it, is taken off.
    Excel's line `sep=;` is honoured.

    Raises:
        NotParseableError: The text is not UTF-8.
        InvalidError: The header cannot be used, or (while the blocks are read) a row or a cell.
    """
    layout = read_layout(file, options, limits)
    names = take_names(options.columns if layout.has_header else None, layout.names, limits)
    frame = Frame(
        names=names,
        batches=lambda wanted: _text_batches(file, layout, wanted),
        indices=names[: layout.indices],
        line_of=lambda row: _line_of(file, layout, row),
        remarks=tuple(_remarks(layout)),
    )
    has_names = layout.has_header or options.columns is not None

    def typed() -> Table:
        return replace(settle(frame, options), has_names=has_names)

    if options.changes_plain_numbers or options.decimal != "." or options.has_categories:
        return typed()
    features = names[layout.indices :]
    left_out = [LeftOut(name, STORED_INDEX) for name in frame.indices]
    if options.known is not None:
        features = tuple(name for name in names if name in options.known)
        left_out = []
    return Table(
        columns=features,
        blocks=lambda: _plain_blocks(file, layout, features),
        has_names=has_names,
        left_out=tuple(left_out),
        line_of=frame.line_of,
        remarks=(*frame.remarks, *map(left_out_remark, left_out)),
        typed=typed,
    )


def _remarks(layout: CsvLayout) -> Iterator[Warned]:
    if layout.has_header and all(_NUMERAL.fullmatch(name) for name in layout.names):
        yield Warned(
            "numeric_header",
            "every column name is a number; if the file has no header line, its first row is lost: send "
            "header=absent",
        )
    if layout.has_spaces:
        yield SPACES_TAKEN_OFF


def _plain_blocks(file: BinaryIO, layout: CsvLayout, wanted: Sequence[str]) -> Iterator[NDArray[Any]]:
    """Read columns of nothing but numbers.

    Raises:
        NotPlainError: A cell is no number, or a row has too many or too few.
    """
    step = rows_per_block(len(wanted))
    try:
        for batch in _open(file, layout, wanted, pa.float64()):
            for start in range(0, batch.num_rows, step):
                part = batch.slice(start, step)
                yield np.column_stack([column.to_numpy(zero_copy_only=False) for column in part.columns])
    except pa.ArrowInvalid:
        raise NotPlainError from None


def _text_batches(file: BinaryIO, layout: CsvLayout, wanted: Sequence[str]) -> Iterator[Columns]:
    """Read columns as text.

    Raises:
        InvalidError: A row has too many cells or too few, or is no UTF-8.
    """
    try:
        for batch in _open(file, layout, wanted, pa.string()):
            yield dict(zip(wanted, map(_unquote, batch.columns), strict=True))
    except pa.ArrowInvalid as error:
        reason = f"the rows cannot be read: {str(error)[:MAX_NAME_LENGTH]}"
        raise _find_fault(file, layout) or InvalidError(reason, code="invalid_csv") from None


def _unquote(cells: pa.Array) -> pa.Array:
    """Take off the apostrophe that keeps a text from being a formula."""
    if not pc.any(pc.match_substring(cells, "'")).as_py():
        return cells
    return pc.replace_substring_regex(cells, QUOTED_PATTERN, r"\1\2")


def _open(file: BinaryIO, layout: CsvLayout, wanted: Sequence[str], kind: pa.DataType) -> Any:
    file.seek(0, io.SEEK_END)
    if file.tell() == layout.offset or not wanted:
        return ()
    source = mapped(file)
    source.seek(layout.offset)
    names = [str(index) for index in range(len(layout.names))]
    position = {name: str(index) for index, name in enumerate(layout.names)}
    is_text = kind == pa.string()
    return arrow_csv.open_csv(
        source,
        read_options=arrow_csv.ReadOptions(
            use_threads=False, column_names=names, block_size=MAX_ROW_CHARACTERS
        ),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, delimiter=layout.delimiter),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, kind),
            include_columns=[position[name] for name in wanted],
            null_values=[] if is_text else _BLANK_CELLS,
            quoted_strings_can_be_null=not is_text,
        ),
    )


def _find_fault(file: BinaryIO, layout: CsvLayout) -> InvalidError | None:
    """Find the first rows that cannot be read, and what is wrong with them."""
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


def _line_of(file: BinaryIO, layout: CsvLayout, row: int) -> int:
    for number, (line, _) in enumerate(_slow_rows(file, layout), start=1):
        if number == row:
            return line
    raise InvalidError(f"row {row} cannot be found again", code="invalid_csv")
