"""Writes an upload as the one form the service keeps: an NPY file of floats, NaN for missing."""

import os
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from app.problems import MAX_PLACES, InvalidError, Place
from app.tables.open_table import as_floats, read_blocks
from app.tables.statistics import Statistics, warnings_of
from app.tables.table import Table, TableLimits, Warned, check_has_rows, expands_too_much


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

    They are float32 where that loses nothing that matters of any feature, and nothing at all of times, else
    float64.

    Returns:
        The table that was read, and what was written.

    Raises:
        NotParseableError: The upload is damaged.
        InvalidError: It has no features or no rows, too many rows, or an infinite value.
        TooLargeError: The rows take more than the limit.
    """
    table, statistics = read_blocks(table, lambda table: _write_fitting(table, target, limits))
    target.flush()
    os.fsync(target.fileno())
    warnings = (*table.remarks, *warnings_of(table.columns, statistics))
    return table, Written(statistics.rows, statistics.missing, warnings)


def _write_fitting(table: Table, target: BinaryIO, limits: TableLimits) -> Statistics:
    statistics = _write(table, target, np.dtype("<f4"), limits)
    if statistics.loses_precision.any():
        return _write(table, target, np.dtype("<f8"), limits)
    return statistics


def _write(table: Table, target: BinaryIO, dtype: np.dtype[Any], limits: TableLimits) -> Statistics:
    """Write all rows; no more of them once it is certain that the type loses too much."""
    width = len(table.columns)
    if not width and not table.channels:
        raise InvalidError(
            "no column is left to learn from: " + "; ".join(w.detail for w in table.remarks[:5]),
            [Place(detail=column.reason, column=column.name) for column in table.left_out]
            or [Place(detail="there are none", field="columns")],
            code="no_columns",
        )
    statistics = Statistics(width, is_time=np.array([name in table.origins for name in table.columns], bool))
    target.seek(0)
    target.truncate()
    header_size = _write_header(target, 0, width, dtype)
    for block in table.blocks():
        values = as_floats(block, dtype)
        if np.isinf(block).any():
            raise _infinite(block, first_row=statistics.rows + 1, table=table)
        statistics.add(block, values)
        if statistics.rounds_times:
            break
        if statistics.rows > limits.max_rows:
            detail = f"more than {limits.max_rows} rows"
            raise InvalidError(detail, [Place(detail=detail, field="rows")], code="too_many_rows")
        if statistics.rows * width * dtype.itemsize > limits.max_expanded_bytes:
            raise expands_too_much(limits)
        target.write(values.data)
    check_has_rows(statistics.rows)
    target.seek(0)
    if _write_header(target, statistics.rows, width, dtype) != header_size:
        raise RuntimeError("numpy changed the size of the header")
    return statistics


def _write_header(target: BinaryIO, rows: int, width: int, dtype: np.dtype[Any]) -> int:
    """Write the header; numpy leaves room in it for any number of rows."""
    header = {"descr": dtype.str, "fortran_order": False, "shape": (rows, width)}
    np.lib.format.write_array_header_1_0(target, header)
    return target.tell()


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
