"""Reads JSON whose cells are lists, or that has families beside its rows: as columns of Arrow."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from app.problems import InvalidError, Place
from app.tables.channels.lists import MAX_DEPTH
from app.tables.columns.frame import as_array
from app.tables.columns.options import ReadOptions
from app.tables.readers.arrow_columns import table_of
from app.tables.table import SPACES, Table, TableLimits


def read_lists(
    columns: Mapping[str, Sequence[Any]],
    families: Mapping[str, Any],
    options: ReadOptions,
    limits: TableLimits,
) -> Table:
    """Read columns of cells, of which some may be lists, and nested lists by family.

    Raises:
        InvalidError: Lists hold something else than numbers, or families differ in their number of rows.
    """
    wanted = {
        name: lists
        for name, lists in families.items()
        if options.known is None or name.strip(SPACES) in {*options.kinds, *options.known}
    }
    rows = {"rows": len(next(iter(columns.values())))} if columns else {}
    for name, lists in wanted.items():
        if not isinstance(lists, list):
            raise InvalidError(
                f"family {name!r} needs a list with an item for each row",
                [Place(detail="not a list", field=f"families.{name}")],
                code="invalid_type",
            )
        rows[name] = len(lists)
    if len(set(rows.values())) > 1:
        faults = [Place(detail=f"{count} rows", field=name) for name, count in rows.items()]
        raise InvalidError(
            f"the families differ in their number of rows: {rows}"[:500], faults, code="ragged_row"
        )
    if twice := [name for name in wanted if name in columns]:
        place = Place(detail="a column and a family", field=f"families.{twice[0]}")
        raise InvalidError(f"{twice[0]!r} is a column and a family", [place], code="duplicate_column")
    arrays = {name: _column(name, cells, options) for name, cells in columns.items()}
    arrays |= {name: _nested(name, lists) for name, lists in wanted.items()}
    batch = pa.record_batch(list(arrays.values()), names=list(arrays))

    def batches(_: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        return iter([batch])

    return table_of(batch.schema, batches, options, limits)


def _column(name: str, cells: Sequence[Any], options: ReadOptions) -> pa.Array:
    if any(isinstance(cell, list) for cell in cells):
        return _nested(name, list(cells))
    return as_array(cells, options.decimal)


def _nested(name: str, cells: list[Any]) -> pa.Array:
    """Return nested lists as an array; null is a missing list or number.

    Raises:
        InvalidError: They hold something else than numbers, are nested unevenly or too deep.
    """
    depth = min(_depth_of(cells), MAX_DEPTH + 1)
    kind: pa.DataType = pa.float64()
    for _ in range(depth):
        kind = pa.list_(kind)
    detail = f"needs lists of numbers, at most {MAX_DEPTH} in each other"
    if 1 <= depth <= MAX_DEPTH:
        try:
            return pa.array(cells, kind)
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            detail = "needs lists of numbers and nothing else, all nested as deep"
    row = next((row for row, cell in enumerate(cells, 1) if not _is_nested(cell, kind)), None)
    place = Place(detail=detail, column=name, row=row)
    raise InvalidError(f"{name!r} {detail}", [place], code="not_numeric")


def _is_nested(cell: Any, kind: pa.DataType) -> bool:
    try:
        pa.array([cell], kind)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return False
    return True


def _depth_of(cells: list[Any]) -> int:
    """Return how deep the first list that holds something is nested."""
    depth = 0
    while lists := [cell for cell in cells if isinstance(cell, list)]:
        depth += 1
        cells = next(islice((part for part in lists if part), 1), [])
    return depth
