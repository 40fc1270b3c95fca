"""Reads rows written as JSON: strict JSON, cells are numbers, text, true, false or null."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
import orjson
from numpy.typing import NDArray

from app.problems import MAX_PLACES, InvalidError, NotParseableError, Place
from app.tables.columns.options import ReadOptions
from app.tables.readers.json_arrays import (
    CELLS,
    NUMBERS,
    TYPED_CELLS,
    Layout,
    explain,
    has_only,
    is_regular,
    parse_matrix,
    read_plain,
    width_of,
)
from app.tables.table import (
    SPACES,
    SPACES_TAKEN_OFF,
    Table,
    TableLimits,
    array_blocks,
    check_width,
    give_names,
    numbered,
    take_names,
)

MAX_ROWS = 1_000_000
# What JSON becomes takes many times the memory of the characters that stand for it: a list twenty times, an
# object thirty, a short text fifteen.
MAX_LISTS = MAX_ROWS + 2  # the rows, the list of rows and that of the columns
MAX_OBJECTS = 100_000  # a table is one of them, but names may have braces
MAX_QUOTES = 4_000_000


def load_json(body: bytes) -> Any:
    """Parse strict JSON: NaN and Infinity are no JSON, neither are numbers beyond float64.

    Raises:
        NotParseableError: It is not JSON, or nested deeper than 1024 levels.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotParseableError(f"the body is not JSON: {error}", code="invalid_json") from None


def load_rows(body: bytes) -> Any:
    """Parse strict JSON that may hold many rows.

    Raises:
        NotParseableError: It is not JSON.
        InvalidError: It holds more rows than are read as JSON, or very much that is no number.
    """
    if body.count(b"[") > MAX_LISTS:
        raise InvalidError(
            f"more than {MAX_ROWS} rows of JSON; send them in another format", code="too_many_rows"
        )
    if body.count(b"{") > MAX_OBJECTS:
        raise InvalidError(
            f"more than {MAX_OBJECTS} objects of JSON; a row is a list of numbers", code="invalid_type"
        )
    if body.count(b'"') > MAX_QUOTES:
        raise InvalidError(
            f"more than {MAX_QUOTES // 2} texts of JSON; a row is a list of numbers", code="not_numeric"
        )
    return load_json(body)


def read_json(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    """Read `{"rows": [[...]], "columns": [names, optional]}`; null is missing.

    Cells may be lists, and there may be `families` of nested lists beside the rows or instead of them.

    Raises:
        NotParseableError: It is not JSON.
        InvalidError: It has another form, or the rows differ in length.
    """
    file.seek(0)
    body = file.read()
    looks_at_columns = options.changes_plain_numbers or options.has_categories
    has_kinds = options.known is None and bool(options.kinds or options.channels)
    plain = None if looks_at_columns or has_kinds else read_plain(body)
    if plain is not None:
        check_width(plain.shape[1], limits)
        columns = _names(None, plain.shape[1], replace(options, known=None), limits)
        return Table(columns, array_blocks(plain), has_names=options.columns is not None)
    document = load_rows(body)
    has_families = isinstance(document, dict) and "families" in document
    check_keys(document, required="families" if has_families else "rows", optional=("rows", "columns"))
    names = document.get("columns")
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise InvalidError(
            "columns needs a list of names", [Place(detail="not a list of names", field="columns")]
        )
    rows = document.get("rows", [])
    width = len(names) if names is not None else width_of(rows)
    layout = Layout("rows", "column", names or (), width, allowed=CELLS)
    is_plain_table = is_regular(rows, layout) and has_only(rows, TYPED_CELLS)
    may_have_lists = options.known is None or bool(options.kinds)
    if has_families or (may_have_lists and not is_plain_table and _has_lists(rows, layout)):
        table = _with_lists(document, rows, layout, options, limits)
    elif has_kinds:
        said = {"kinds": options.kinds, "channels": options.channels}
        faults = [Place(detail="the rows hold no lists", field=name) for name in said if said[name]]
        raise InvalidError(
            "kinds= and channels= need lists, or families of lists", faults, code="no_such_family"
        )
    elif is_plain_table and (looks_at_columns or not has_only(rows, CELLS)):
        table = _typed(rows, _names(names, width, options, limits), options)
    else:
        matrix = parse_matrix(rows, layout)
        columns = _names(names, width, replace(options, known=None), limits)
        table = Table(columns, array_blocks(matrix), has_names=True)
    has_spaces = any(name != name.strip(SPACES) for name in names or ())
    remarks = (SPACES_TAKEN_OFF, *table.remarks) if has_spaces else table.remarks
    return replace(table, has_names=names is not None or options.columns is not None, remarks=remarks)


def _names(names: list[str] | None, width: int, options: ReadOptions, limits: TableLimits) -> tuple[str, ...]:
    """Return the names of columns: the file's, those that were sent, or as many that are known."""
    check_width(width, limits)
    if names is not None:
        return take_names(options.columns, names, limits)
    if options.columns is not None:
        return give_names(options.columns, width, limits)
    known = tuple(options.known or ())
    return known if len(known) == width else numbered(width)


def _typed(rows: list[list[Any]], names: tuple[str, ...], options: ReadOptions) -> Table:
    """Read rows in which some cells are text or truth values, or something was said of columns."""
    frame = import_module("app.tables.columns.frame")
    columns = {
        name: frame.as_array(cells, options.decimal)
        for name, cells in zip(names, zip(*rows, strict=True), strict=True)
    }
    whole = frame.Frame(names, lambda wanted: iter([{name: columns[name] for name in wanted}]))
    table: Table = import_module("app.tables.columns.settle").settle(whole, options)
    return table


def _with_lists(
    document: dict[str, Any], rows: list[Any], layout: Layout, options: ReadOptions, limits: TableLimits
) -> Table:
    """Read rows of which some cells are lists, or beside which there are families."""
    families = document.get("families", {})
    if not isinstance(families, dict):
        place = Place(detail="not an object", field="families")
        raise InvalidError("families needs an object of nested lists", [place], code="invalid_type")
    if not isinstance(rows, list):
        raise InvalidError(
            "rows needs a list of rows", [Place(detail="not a list", field="rows")], code="invalid_type"
        )
    if rows and not _has_lists(rows, layout):
        raise explain(rows, replace(layout, allowed={*TYPED_CELLS, list}))
    names = _names(document.get("columns"), layout.width, options, limits) if rows else ()
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    read = import_module("app.tables.readers.json_lists").read_lists
    table: Table = read(columns, families, replace(options, columns=None), limits)
    return table


def _has_lists(rows: Any, layout: Layout) -> bool:
    """Whether rows are regular, and their cells may be lists."""
    return is_regular(rows, layout) and has_only(rows, {*TYPED_CELLS, list})


def check_keys(document: Any, *, required: str, optional: Collection[str] = ()) -> None:
    """Raise `InvalidError` unless the document is an object of these keys."""
    if not isinstance(document, dict):
        raise InvalidError("the body needs to be a JSON object", code="invalid_type")
    unknown = list(islice((key for key in document if key != required and key not in optional), MAX_PLACES))
    if unknown:
        faults = [Place(detail="unknown field", field=key) for key in unknown]
        raise InvalidError(
            f"the body has unknown fields: {', '.join(unknown)}"[:500], faults, code="unknown_field"
        )
    if required not in document:
        raise InvalidError(
            f"the body needs {required!r}", [Place(detail="missing", field=required)], code="missing_field"
        )


def parse_codes(document: Any, tokens: Sequence[str]) -> NDArray[np.float64]:
    """Return `{"codes": [[...]]}` as whole numbers [rows, tokens].

    Raises:
        InvalidError: It has another form or width, or something in it is not a whole number.
    """
    check_keys(document, required="codes")
    layout = Layout("codes", "token", tokens, len(tokens), allowed=NUMBERS)
    codes = parse_matrix(document["codes"], layout)
    is_broken = codes != np.floor(codes)
    if is_broken.any():
        row, token = divmod(int(is_broken.argmax()), len(tokens))
        raise layout.fault_at(row + 1, token, "not a whole number")
    return codes


def parse_rows(rows: list[Any], features: Sequence[str]) -> NDArray[np.float64]:
    """Return lists of numbers as [rows, features], null as NaN; one flat list holds row after row.

    Raises:
        InvalidError: The rows have another width, or something in them is not a number.
    """
    width = len(features)
    if rows and not isinstance(rows[0], list):
        rows = [rows[start : start + width] for start in range(0, len(rows), width)]
    return parse_matrix(rows, Layout("data", "column", features, width, allowed=CELLS))
