"""Writes an upload as the one form the service keeps: an NPY file of float32, NaN for missing."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from app.problems import MAX_PLACES, InvalidError, Place
from app.tables.open_table import as_single_floats
from app.tables.table import Table, TableLimits, expands_too_much


@dataclass(frozen=True)
class Warned:
    """Something odd about a dataset that is accepted and handled.

    Args:
        code: missing_values, empty_column, constant_column or numeric_header.
        column: The column, where it is about one.
        count: Missing values.
        detail: What is odd, and what is done about it.
    """

    code: str
    detail: str
    column: str | None = None
    count: int | None = None


@dataclass(frozen=True)
class Written:
    """What is known of a table after all of it was written."""

    rows: int
    warnings: tuple[Warned, ...]


def write_values(table: Table, columns: Sequence[str], target: BinaryIO, limits: TableLimits) -> Written:
    """Write a table's rows as an NPY file, float32 [rows, columns], and put it on the disk.

    Raises:
        NotParseableError: The upload is damaged.
        InvalidError: It has no rows or too many, or a value is infinite or beyond float32.
        TooLargeError: The rows take more than the limit.
    """
    width = len(columns)
    missing = np.zeros(width, np.int64)
    lowest = np.full(width, np.inf, np.float32)
    highest = np.full(width, -np.inf, np.float32)
    rows = 0
    header_size = _write_header(target, 0, width)
    for block in table.blocks:
        values = as_single_floats(block)
        if np.isinf(values).any():
            raise _infinite(block, values, columns=columns, first_row=rows + 1, table=table)
        rows += values.shape[0]
        if rows > limits.max_rows:
            raise _too_many_rows(limits)
        if rows * width * 4 > limits.max_expanded_bytes:
            raise expands_too_much(limits)
        missing += np.isnan(values).sum(axis=0)
        lowest = np.fmin(lowest, np.fmin.reduce(values, axis=0, initial=np.inf))
        highest = np.fmax(highest, np.fmax.reduce(values, axis=0, initial=-np.inf))
        target.write(values.data)
    if rows == 0:
        raise InvalidError("the table has no rows", code="no_rows")
    target.seek(0)
    if _write_header(target, rows, width) != header_size:
        raise RuntimeError("numpy changed the size of the header")
    target.flush()
    os.fsync(target.fileno())
    remarks = tuple(Warned("numeric_header", remark.detail) for remark in table.remarks)
    return Written(rows, remarks + _warnings(columns, rows, missing, lowest == highest))


def _write_header(target: BinaryIO, rows: int, width: int) -> int:
    """Write the header; numpy leaves room in it for any number of rows."""
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
    np.lib.format.write_array_header_1_0(target, header)
    return target.tell()


def _warnings(
    columns: Sequence[str], rows: int, missing: NDArray[np.int64], constant: NDArray[np.bool_]
) -> tuple[Warned, ...]:
    found: list[Warned] = []
    for name, count, is_constant in zip(columns, missing.tolist(), constant.tolist(), strict=True):
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


def _infinite(
    sent: NDArray[Any], values: NDArray[np.float32], *, columns: Sequence[str], first_row: int, table: Table
) -> InvalidError:
    places: list[Place] = []
    for index, column in np.argwhere(np.isinf(values))[:MAX_PLACES].tolist():
        row = first_row + index
        line = table.line_of(row) if table.line_of and not places else None
        detail = "infinite" if np.isinf(sent[index, column]) else "beyond the range of single floats"
        places.append(Place(detail=detail, column=columns[column], row=row, line=line))
    first = places[0]
    return InvalidError(
        f"column {first.column!r}, row {first.row}: {first.detail}", places, code="not_finite"
    )


def _too_many_rows(limits: TableLimits) -> InvalidError:
    return InvalidError(f"more than {limits.max_rows} rows", code="too_many_rows")
