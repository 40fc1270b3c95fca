"""Writes an upload as the one form the service keeps: an NPY file of floats, NaN for missing."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from app.problems import MAX_PLACES, InvalidError, Place
from app.tables.open_table import as_floats, read_blocks
from app.tables.table import Table, TableLimits, Warned, expands_too_much

# Float32 is kept where its rounding is below this part of a column's standard deviation.
MAX_ROUNDING = 2.0**-12


@dataclass(frozen=True)
class Written:
    """What is known of a table after all of it was written.

    Args:
        missing: Missing cells of each feature, int64 [features].
    """

    rows: int
    missing: NDArray[np.int64]
    warnings: tuple[Warned, ...]


def write_values(table: Table, target: BinaryIO, limits: TableLimits) -> tuple[Table, Written]:
    """Write a table's rows as an NPY file, [rows, features], and put it on the disk.

    They are float32 where that loses nothing that matters of any feature, else float64.

    Returns:
        The table that was read, and what was written.

    Raises:
        NotParseableError: The upload is damaged.
        InvalidError: It has no features or no rows, too many rows, or an infinite value.
        TooLargeError: The rows take more than the limit.
    """
    table, statistics = read_blocks(table, lambda table: _write(table, target, np.dtype("<f4"), limits))
    if statistics.loses_precision.any():
        _write(table, target, np.dtype("<f8"), limits)
    target.flush()
    os.fsync(target.fileno())
    warnings = (*table.remarks, *_warnings(table.columns, statistics))
    return table, Written(statistics.rows, statistics.missing, warnings)


@dataclass
class _Statistics:
    """What is gathered of each feature while it is written; all arrays are [features]."""

    width: int
    rows: int = 0
    missing: NDArray[np.int64] = field(init=False)
    lowest: NDArray[np.float64] = field(init=False)
    highest: NDArray[np.float64] = field(init=False)
    rounding: NDArray[np.float64] = field(init=False)  # by float32, at most
    first: NDArray[np.float64] | None = None  # sums are of what lies beyond it
    total: NDArray[np.float64] = field(init=False)
    squares: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.missing = np.zeros(self.width, np.int64)
        self.lowest, self.highest = np.full(self.width, np.inf), np.full(self.width, -np.inf)
        self.rounding, self.total, self.squares = np.zeros((3, self.width))

    def add(self, block: NDArray[Any], values: NDArray[np.floating[Any]]) -> None:
        """Look at a block as it came and as it is written."""
        self.rows += len(block)
        self.missing += np.isnan(values).sum(axis=0)
        exact = block if block.dtype.kind == "f" else block.astype(np.float64)
        self.lowest = np.fmin(self.lowest, np.fmin.reduce(exact, axis=0, initial=np.inf))
        self.highest = np.fmax(self.highest, np.fmax.reduce(exact, axis=0, initial=-np.inf))
        if exact.dtype.itemsize <= values.dtype.itemsize:
            return
        if self.first is None:
            self.first = np.nan_to_num(exact[0])
        self.rounding = np.fmax(self.rounding, np.fmax.reduce(np.abs(exact - values), axis=0, initial=0.0))
        with np.errstate(over="ignore"):  # squares beyond float64 belong to values beyond float32
            centred = exact - self.first
            self.total += np.nansum(centred, axis=0)
            self.squares += np.nansum(centred * centred, axis=0)

    @property
    def is_constant(self) -> NDArray[np.bool_]:
        constant: NDArray[np.bool_] = self.lowest == self.highest
        return constant

    @property
    def loses_precision(self) -> NDArray[np.bool_]:
        """Whether float32 rounds a feature by more than matters for its spread."""
        count = np.maximum(self.rows - self.missing, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            variance = np.maximum(self.squares / count - (self.total / count) ** 2, 0.0)
            loses: NDArray[np.bool_] = self.rounding > MAX_ROUNDING * np.sqrt(variance)
        return np.isinf(self.rounding) | (loses & ~self.is_constant)


def _write(table: Table, target: BinaryIO, dtype: np.dtype[Any], limits: TableLimits) -> _Statistics:
    width = len(table.columns)
    if not width:
        raise InvalidError(
            "no column is left to learn from: " + "; ".join(w.detail for w in table.remarks[:5]),
            [Place(detail=column.reason, column=column.name) for column in table.left_out],
            code="no_columns",
        )
    statistics = _Statistics(width)
    target.seek(0)
    target.truncate()
    header_size = _write_header(target, 0, width, dtype)
    for block in table.blocks():
        values = as_floats(block, dtype)
        if np.isinf(block).any():
            raise _infinite(block, first_row=statistics.rows + 1, table=table)
        statistics.add(block, values)
        if statistics.rows > limits.max_rows:
            raise InvalidError(f"more than {limits.max_rows} rows", code="too_many_rows")
        if statistics.rows * width * dtype.itemsize > limits.max_expanded_bytes:
            raise expands_too_much(limits)
        target.write(values.data)
    if statistics.rows == 0:
        raise InvalidError("the table has no rows", code="no_rows")
    target.seek(0)
    if _write_header(target, statistics.rows, width, dtype) != header_size:
        raise RuntimeError("numpy changed the size of the header")
    return statistics


def _write_header(target: BinaryIO, rows: int, width: int, dtype: np.dtype[Any]) -> int:
    """Write the header; numpy leaves room in it for any number of rows."""
    header = {"descr": dtype.str, "fortran_order": False, "shape": (rows, width)}
    np.lib.format.write_array_header_1_0(target, header)
    return target.tell()


def _warnings(columns: Sequence[str], statistics: _Statistics) -> tuple[Warned, ...]:
    found: list[Warned] = []
    rows = statistics.rows
    counts, constant = statistics.missing.tolist(), statistics.is_constant.tolist()
    for name, count, is_constant in zip(columns, counts, constant, strict=True):
        if count == rows:
            detail = f"{name!r} has no value at all; it is set aside while learning"
            found.append(Warned("empty_column", detail, name, count))
        elif count:
            detail = f"{name!r} misses {count} of {rows} values; they are filled in"
            found.append(Warned("missing_values", detail, name, count))
        if is_constant:
            detail = f"{name!r} has one value only; it is set aside while learning"
            found.append(Warned("constant_column", detail, name))
    return tuple(found)


def _infinite(block: NDArray[Any], *, first_row: int, table: Table) -> InvalidError:
    places: list[Place] = []
    for index, column in np.argwhere(np.isinf(block))[:MAX_PLACES].tolist():
        row = first_row + index
        line = table.line_of(row) if table.line_of and not places else None
        places.append(Place(detail="infinite", column=table.columns[column], row=row, line=line))
    first = places[0]
    return InvalidError(
        f"column {first.column!r}, row {first.row}: {first.detail}", places, code="not_finite"
    )
