"""JSON rows: strict and regular."""

import io
import tracemalloc
from codecs import BOM_UTF8
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.problems import InvalidError, NotParseableError
from app.tables.columns.options import ReadOptions
from app.tables.open_table import collect_rows
from app.tables.readers.json_arrays import _KEPT_PARSER, KEPT_BODY_BYTES, KEPT_VALUES, read_plain
from app.tables.readers.json_reader import parse_codes, read_json


def read(document, limits):
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    table = read_json(io.BytesIO(body), ReadOptions(), limits)
    return table, collect_rows(table, 1000)


def test_rows_are_read_and_null_is_missing(limits):
    table, rows = read({"rows": [[1, None], [2.5, -3]]}, limits)
    assert table.columns == ("f0", "f1")
    assert not table.has_names
    np.testing.assert_array_equal(rows, [[1, np.nan], [2.5, -3]])


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**64 - 1), st.just(-0.0)
)
CELLS = st.one_of(NUMBERS, NUMBERS, NUMBERS, st.none(), st.booleans(), st.text(max_size=2))
VALUES = st.one_of(CELLS, st.lists(CELLS, max_size=3))


@given(st.lists(st.lists(NUMBERS, min_size=2, max_size=2), min_size=1, max_size=5))
def test_plain_rows_are_read_to_the_very_numbers(rows):
    np.testing.assert_array_equal(read_plain(orjson.dumps({"rows": rows})), np.array(rows, np.float64))


@given(st.lists(st.one_of(VALUES, st.lists(VALUES, max_size=3)), max_size=4))
def test_only_rows_that_a_close_look_accepts_are_plain(rows):
    plain = read_plain(orjson.dumps({"rows": rows}))
    is_regular = all(isinstance(row, list) for row in rows) and len({len(row) for row in rows}) == 1
    cells = [cell for row in rows for cell in row] if is_regular else []
    is_plain = bool(cells) and all(type(cell) in {int, float} for cell in cells)
    assert (plain is not None) == is_plain


@pytest.mark.parametrize(
    "body",
    [
        b"[[1]]",
        b"1",
        b'{"rows": [[1]], "rows": [[2]]}',
        b'{"rows": {"a": [1]}}',
        b'{"rows": [[1]]} x',
        b"null",
        BOM_UTF8 + b'{"rows": [[1]]}',
        b'{"rows": [[[1, 2]], [[3, 4]]]}',
        b'{"rows": [[[], [1, 2]], [3, 4]]}',
        b'{"rows": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"rows": [[1], ' + b"[" * 5000 + b"nu]]}",
    ],
)
def test_other_documents_are_not_plain(body):
    assert read_plain(body) is None


def test_documents_read_at_the_same_time_are_not_mixed_up():
    drawn = np.random.default_rng(0).normal(size=(16, 40, 50))
    bodies = [orjson.dumps({"rows": rows.tolist()}) for rows in drawn]
    with ThreadPoolExecutor(8) as threads:
        for rows, plain in zip(np.tile(drawn, (20, 1, 1)), threads.map(read_plain, bodies * 20), strict=True):
            np.testing.assert_array_equal(plain, rows)


def test_a_parser_is_kept_after_plain_rows_only():
    _KEPT_PARSER.clear()
    first = read_plain(b'{"rows": [[1, 2], [3, 4]]}')
    (parser,) = _KEPT_PARSER
    second = read_plain(b'{"rows": [[5, 6], [7, 8]]}')
    assert list(_KEPT_PARSER) == [parser]
    np.testing.assert_array_equal([first, second], [[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    assert read_plain(b'{"rows": [[9, null]]}') is None
    assert not _KEPT_PARSER


@pytest.mark.parametrize(("values", "separator"), [(KEPT_VALUES + 1, ","), (3, " " * KEPT_BODY_BYTES + ",")])
def test_a_parser_that_has_become_large_is_not_kept(values, separator):
    _KEPT_PARSER.clear()
    body = f'{{"rows": [[{separator.join("1" * values)}]]}}'
    np.testing.assert_array_equal(read_plain(body.encode()), np.ones((1, values)))
    assert not _KEPT_PARSER


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
        ({"rows": [[1, 2], [3, "x"], [3, 4]]}, "not_numeric", (None, 2, "f1")),
        ({"rows": [[1, {}]]}, "not_numeric", ("rows", 1, "f1")),
        ({"rows": [[1, ["x"]]], "columns": ["a", "b"]}, "not_numeric", (None, 1, "b")),
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
        read_json(io.BytesIO(body), ReadOptions(), limits)
    assert caught.value.code == "too_many_rows"


@pytest.mark.parametrize(
    ("row", "count", "code"),
    [
        (b"{}", 200_000, "invalid_type"),
        (b'["",""]', 1_500_000, "too_many_rows"),
        (b'""', 3_000_000, "not_numeric"),
    ],
)
def test_what_would_take_many_times_its_length_in_memory_is_refused_before_it_is_parsed(
    limits, row, count, code
):
    body = b'{"rows":[' + b",".join([row] * count) + b"]}"
    tracemalloc.start()
    with pytest.raises(InvalidError) as caught:
        read_json(io.BytesIO(body), ReadOptions(), limits)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == code
    assert most < 3 * len(body)
