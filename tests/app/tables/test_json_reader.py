"""JSON rows: strict, regular, numbers only."""

import io

import numpy as np
import orjson
import pytest

from app.errors import InvalidError, NotParseableError
from app.tables.json_reader import parse_codes, read_json
from app.tables.reading import collect_rows


def read(document, limits):
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    table = read_json(io.BytesIO(body), limits)
    return table, collect_rows(table, 1000)


def test_rows_are_read_and_null_is_missing(limits):
    table, rows = read({"rows": [[1, None], [2.5, -3]]}, limits)
    assert table.columns == ("f0", "f1")
    assert not table.has_names
    np.testing.assert_array_equal(rows, [[1, np.nan], [2.5, -3]])


def test_columns_name_the_values(limits):
    table, _ = read({"rows": [[1, 2]], "columns": ["b", "a"]}, limits)
    assert table.columns == ("b", "a")
    assert table.has_names


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"rows": [[NaN]]}',
        b'{"rows": [[Infinity]]}',
        b'{"rows": [[1e400]]}',
        b"[" * 5000,
        b'{"rows": [["\xff"]]}',
    ],
)
def test_what_is_no_strict_json_cannot_be_parsed(body, limits):
    with pytest.raises(NotParseableError):
        read(body, limits)


@pytest.mark.parametrize(
    ("document", "code", "place"),
    [
        ([], "invalid_type", None),
        ({}, "missing_field", ("rows", None, None)),
        ({"rows": [[1]], "x": 1, "y": 2}, "unknown_field", ("x", None, None)),
        ({"rows": 1}, "invalid_type", ("rows", None, None)),
        ({"rows": []}, "no_rows", ("rows", None, None)),
        ({"rows": [[]]}, "no_columns", None),
        ({"rows": [[1], 2]}, "invalid_type", ("rows", 2, None)),
        ({"rows": [[1, 2], [3]]}, "wrong_width", ("rows", 2, None)),
        ({"rows": [[1, 2], [3, "4"]]}, "not_numeric", ("rows", 2, "f1")),
        ({"rows": [[1, True]]}, "not_numeric", ("rows", 1, "f1")),
        ({"rows": [[1, [2]]], "columns": ["a", "b"]}, "not_numeric", ("rows", 1, "b")),
        ({"rows": [[1, 2]], "columns": ["a"]}, "wrong_width", ("rows", 1, None)),
        ({"rows": [[1, 2]], "columns": ["a", "a"]}, "duplicate_column", ("columns", None, "a")),
        ({"rows": [[1, 2]], "columns": ["a", 1]}, "invalid", ("columns", None, None)),
        ({"rows": [[1] * 51]}, "too_many_features", None),
    ],
)
def test_each_fault_is_named(document, code, place, limits):
    with pytest.raises(InvalidError) as caught:
        read(document, limits)
    assert caught.value.code == code
    if place is not None:
        first = caught.value.places[0]
        assert (first.field, first.row, first.column) == place


@pytest.mark.parametrize("value", [2.5, "2", True, None, [2]])
def test_a_code_is_a_whole_number(value):
    assert parse_codes({"codes": [[1, 2.0]]}, ["x", "y"]).tolist() == [[1, 2]]
    with pytest.raises(InvalidError) as caught:
        parse_codes({"codes": [[1, 2], [1, value]]}, ["x", "y"])
    assert (caught.value.places[0].row, caught.value.places[0].token) == (2, "y")


def test_more_lists_than_rows_are_refused_unread(limits):
    body = b'{"rows": [' + b"[]," * 1_000_002 + b"[not read]]}"
    with pytest.raises(InvalidError) as caught:
        read_json(io.BytesIO(body), limits)
    assert caught.value.code == "too_many_rows"
