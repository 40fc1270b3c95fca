"""Tables whose columns may hold anything, as a file has them: a reader describes one, `settle` decides."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from app.tables.columns.survey import Decision
from app.tables.table import LeftOut, Warned

STORED_INDEX = "it is a stored index; to have it, give it a type such as key"
Columns = Mapping[str, pa.Array]


@dataclass(frozen=True)
class Frame:
    """Columns as a file has them.

    Args:
        names: Of all columns.
        batches: Reads the cells of some of them, part after part, anew with each call.
        kinds: What columns are whose type says it, such as dates; the others hold numbers or text.
        numbers: Columns that are known to hold nothing but numbers.
        indices: Columns that are a stored index, left out unless they are given a type.
        lists: The column of lists that a column is one place of.
        left_out: Columns that cannot be read, or were not to be.
        line_of: The line of a row in a text file; rows count from 1.
        remarks: What is odd about the file although it can be read.
    """

    names: tuple[str, ...]
    batches: Callable[[Sequence[str]], Iterator[Columns]]
    kinds: Mapping[str, Decision] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()
    indices: tuple[str, ...] = ()
    lists: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    line_of: Callable[[int], int] | None = None
    remarks: tuple[Warned, ...] = ()


def as_array(cells: Sequence[object], decimal: str = ".") -> pa.Array:
    """Return cells of JSON as an array: of numbers where all are, else of text.

    Args:
        decimal: What numbers among text get before their decimals.
    """
    kinds = {type(cell) for cell in cells if cell is not None}
    if str in kinds:
        return pa.array([_text(cell, decimal) for cell in cells], pa.string())
    if kinds == {bool}:
        return pa.array(cells)
    if kinds == {int}:
        with suppress(OverflowError):
            return pa.array(cells, pa.int64())
    return pa.array(np.array(cells, np.float64), from_pandas=True)


def _text(cell: object, decimal: str) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    return str(cell).replace(".", decimal)


def left_out_remark(column: LeftOut) -> Warned:
    """Return what is said of a column that is left out."""
    return Warned("left_out", f"{column.name!r} is left out: {column.reason}", column.name)
