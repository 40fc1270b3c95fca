"""Reads rows written as JSON: strict JSON, numbers and nulls only."""

from itertools import chain
from typing import Any, BinaryIO

import numpy as np
import orjson

from app.errors import InvalidError, NotParseableError, Place
from app.tables.table import Table, TableLimits, array_blocks, check_names, check_width, numbered

_NUMBERS = {int, float}
_CELLS = {int, float, type(None)}


def load_json(body: bytes) -> Any:
    """Parse strict JSON: NaN and Infinity are no JSON, neither are numbers beyond float64.

    Raises:
        NotParseableError: It is not JSON, or nested deeper than 1024 levels.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotParseableError(f"the body is not JSON: {error}", code="invalid_json") from None


def read_json(file: BinaryIO, limits: TableLimits) -> Table:
    """Read `{"rows": [[...]], "columns": [names, optional]}`; null is missing.

    Raises:
        NotParseableError: It is not JSON.
        InvalidError: It has another form, a cell is not a number, or the rows differ in length.
    """
    file.seek(0)
    document = load_json(file.read())
    check_keys(document, required="rows", optional="columns")
    names = document.get("columns")
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise InvalidError(
            "columns needs a list of names", [Place(detail="not a list of names", field="columns")]
        )
    rows = document["rows"]
    width = len(names) if names is not None else _width_of(rows)
    matrix = parse_matrix(rows, width, field="rows", allowed=_CELLS, columns=names)
    check_width(width, limits)
    return Table(
        columns=numbered(width) if names is None else check_names(names, limits),
        blocks=array_blocks(matrix),
        has_names=names is not None,
    )


def check_keys(document: Any, *, required: str, optional: str | None = None) -> None:
    """Raise `InvalidError` unless the document is an object of these keys."""
    if not isinstance(document, dict):
        raise InvalidError("the body needs to be a JSON object", code="invalid_type")
    unknown = [key for key in document if key not in {required, optional}]
    if unknown:
        faults = [Place(detail="unknown field", field=key) for key in unknown]
        raise InvalidError(
            f"the body has unknown fields: {', '.join(unknown)}"[:500], faults, code="unknown_field"
        )
    if required not in document:
        raise InvalidError(
            f"the body needs {required!r}", [Place(detail="missing", field=required)], code="missing_field"
        )


def parse_codes(document: Any, width: int, tokens: list[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return `{"codes": [[...]]}` as numbers [rows, tokens].

    Raises:
        InvalidError: It has another form or width, or something in it is not a number.
    """
    check_keys(document, required="codes")
    return parse_matrix(document["codes"], width, field="codes", allowed={int}, columns=tokens)


def parse_matrix(
    rows: Any, width: int, *, field: str, allowed: set[type], columns: list[str] | None
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a list of lists as float64 [rows, width], null as NaN.

    Raises:
        InvalidError: A row has another length, or a cell another type.
    """
    if not isinstance(rows, list):
        raise InvalidError(
            f"{field} needs a list of rows", [Place(detail="not a list", field=field)], code="invalid_type"
        )
    if not rows:
        raise InvalidError("there are no rows", [Place(detail="no rows", field=field)], code="no_rows")
    # Whole-body checks first: they run in C, and looking for the place only starts when they fail.
    is_regular = all(type(row) is list for row in rows) and set(map(len, rows)) == {width}
    if not is_regular or not set(map(type, chain.from_iterable(rows))) <= allowed:
        raise _explain(rows, width, field=field, allowed=allowed, columns=columns)
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)


def _explain(
    rows: list[Any], width: int, *, field: str, allowed: set[type], columns: list[str] | None
) -> InvalidError:
    for number, row in enumerate(rows, start=1):
        if type(row) is not list:
            place = Place(detail="not a list", field=field, row=number)
            return InvalidError(f"row {number} is not a list", [place], code="invalid_type")
        if len(row) != width:
            place = Place(detail=f"{len(row)} values, {width} needed", field=field, row=number)
            return InvalidError(
                f"row {number} has {len(row)} values, {width} are needed", [place], code="wrong_width"
            )
        for index, cell in enumerate(row):
            if type(cell) not in allowed:
                name = columns[index] if columns else f"f{index}"
                place = Place(detail="not a number", field=field, column=name, row=number)
                return InvalidError(
                    f"row {number}, column {name!r}: not a number", [place], code="not_numeric"
                )
    raise AssertionError("the rows were refused although they are regular")


def _width_of(rows: Any) -> int:
    return len(rows[0]) if isinstance(rows, list) and rows and isinstance(rows[0], list) else 0
