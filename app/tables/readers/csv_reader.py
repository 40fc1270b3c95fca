"""Reads CSV through Arrow: plain numbers fast, other tables column by column; finds the place of a fault."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from app.problems import InvalidError
from app.tables.columns.frame import STORED_INDEX, Columns, Frame, left_out_remark
from app.tables.columns.options import ReadOptions
from app.tables.columns.settle import settle
from app.tables.columns.text_cells import holds_numbers
from app.tables.formulas import QUOTED_PATTERN
from app.tables.readers import csv_faults
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
        batches=lambda wanted: _batches(file, layout, wanted),
        indices=names[: layout.indices],
        line_of=lambda row: csv_faults.line_of(file, layout, row),
        remarks=tuple(_remarks(layout)),
    )
    has_names = layout.has_header or options.columns is not None

    def by_text() -> Table:
        return replace(settle(frame, options), has_names=has_names)

    def typed() -> Table:
        numbers = _find_numbers(file, layout, options)
        batches = partial(_batches, file, layout, numbers=numbers, words=options.missing_numerals)
        mixed = replace(frame, numbers=numbers, batches=batches)
        return replace(settle(mixed, options), has_names=has_names, typed=by_text)

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


def _find_numbers(file: BinaryIO, layout: CsvLayout, options: ReadOptions) -> frozenset[str]:
    """Return the columns that hold nothing but numbers as far as the first rows tell, and may be numbers.

    The words that stand for missing cells are counted, so that a column with any is none of these.
    """
    if options.known is not None:
        return frozenset()
    wanted = [name for name in layout.names if options.types.get(name, "numeric") == "numeric"]
    first = next(_batches(file, layout, wanted), {})
    return frozenset(name for name, cells in first.items() if holds_numbers(cells, options))


def _plain_blocks(file: BinaryIO, layout: CsvLayout, wanted: Sequence[str]) -> Iterator[NDArray[Any]]:
    """Read columns of nothing but numbers.

    Raises:
        NotPlainError: A cell is no number, or a row has too many or too few.
    """
    step = rows_per_block(len(wanted))
    try:
        for batch in _open(file, layout, dict.fromkeys(wanted, pa.float64())):
            for start in range(0, batch.num_rows, step):
                part = batch.slice(start, step)
                yield np.column_stack([column.to_numpy(zero_copy_only=False) for column in part.columns])
    except pa.ArrowInvalid:
        raise NotPlainError from None


def _batches(
    file: BinaryIO,
    layout: CsvLayout,
    wanted: Sequence[str],
    numbers: frozenset[str] = frozenset(),
    words: Sequence[float] = (),
) -> Iterator[Columns]:
    """Read columns as text, but for those that hold nothing but numbers.

    Args:
        words: Numbers that stand for a missing cell, and so are none.

    Raises:
        InvalidError: A row has too many cells or too few, or is no UTF-8.
        NotPlainError: One of the numbers is none; then nothing is known of the rows either.
    """
    kinds = {name: pa.float64() if name in numbers else pa.string() for name in wanted}
    try:
        for batch in _open(file, layout, kinds):
            columns = zip(wanted, batch.columns, strict=True)
            yield {
                name: _only_numbers(cells, words) if name in numbers else _unquote(cells)
                for name, cells in columns
            }
    except pa.ArrowInvalid as error:
        if numbers.intersection(wanted):
            raise NotPlainError from None
        reason = f"the rows cannot be read: {str(error)[:MAX_NAME_LENGTH]}"
        raise csv_faults.find_fault(file, layout) or InvalidError(reason, code="invalid_csv") from None


def _only_numbers(cells: pa.Array, words: Sequence[float]) -> pa.Array:
    """Return cells unless one is NaN or stands for a missing one: such are counted as words."""
    is_word = pc.is_nan(cells)
    if words:
        is_word = pc.or_kleene(is_word, pc.is_in(cells, value_set=pa.array(words, pa.float64())))
    if pc.any(is_word).as_py():
        raise NotPlainError
    return cells


def _unquote(cells: pa.Array) -> pa.Array:
    """Take off the apostrophe that keeps a text from being a formula."""
    if not pc.any(pc.match_substring(cells, "'")).as_py():
        return cells
    return pc.replace_substring_regex(cells, QUOTED_PATTERN, r"\1\2")


def _open(file: BinaryIO, layout: CsvLayout, kinds: Mapping[str, pa.DataType]) -> Any:
    """Return batches of the columns of some names, each of its type; text is never null."""
    file.seek(0, io.SEEK_END)
    if file.tell() == layout.offset or not kinds:
        return ()
    source = mapped(file)
    source.seek(layout.offset)
    position = {name: str(index) for index, name in enumerate(layout.names)}
    return arrow_csv.open_csv(
        source,
        read_options=arrow_csv.ReadOptions(
            use_threads=False,
            column_names=list(position.values()),
            block_size=csv_faults.MAX_ROW_CHARACTERS,
        ),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, delimiter=layout.delimiter),
        convert_options=arrow_csv.ConvertOptions(
            column_types={position[name]: kind for name, kind in kinds.items()},
            include_columns=[position[name] for name in kinds],
            null_values=_BLANK_CELLS,
            decimal_point=layout.decimal,
        ),
    )
