"""Cells of text: which are missing, which are numbers, and which numbers."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.problems import InvalidError
from app.tables.columns.options import ReadOptions
from app.tables.columns.text_cells import as_text, has_decimal_comma, is_date, read_cells


def read(*cells, **options):
    return read_cells(pa.array(cells, pa.string()), ReadOptions(**options))


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1", 1),
        ("-1.5", -1.5),
        ("+7", 7),
        (".5", 0.5),
        ("5.", 5),
        ("007", 7),
        ("1e-46", 1e-46),
        ("1E5", 1e5),
        ("\u00a01\t", 1),
        ("1e400", math.inf),
        ("-inf", -math.inf),
        ("Infinity", math.inf),
        ("True", 1),
        ("FALSE", 0),
        ("2460310.25", 2460310.25),
    ],
)
def test_numbers(cell, number):
    assert read(cell).numbers.tolist() == [number]


@pytest.mark.parametrize(
    "cell", ["1_0", "0x1", "1d5", "1,5", "\u0661", "--1", "e5", ".", "+", "1 2", "infin", "tRUE"]
)
def test_other_text(cell):
    cells = read(cell)
    assert (cells.is_other.tolist(), cells.is_missing.tolist()) == ([True], [False])


@given(st.floats())
def test_every_number_is_read_to_its_last_bit(number):
    np.testing.assert_array_equal(read(repr(number)).numbers, [number])
    np.testing.assert_array_equal(read(repr(number).replace(".", ","), decimal=",").numbers, [number])


@given(st.text(max_size=8))
def test_every_cell_is_missing_a_number_or_something_else(text):
    cells = read(text, None)
    kinds = [cells.is_missing.tolist(), cells.is_number.tolist(), cells.is_other.tolist()]
    assert [sum(kind) for kind in zip(*kinds, strict=True)] == [1, 1]
    assert np.isnan(cells.numbers).tolist() == [not number for number in kinds[1]]


def test_a_decimal_comma_leaves_no_decimal_point():
    cells = read("1,5", "1.5", "1.234,5", "2", decimal=",")
    assert cells.is_number.tolist() == [True, False, False, True]
    assert has_decimal_comma(pa.array(["1,5", "1.5", "x", ",5", "1,2,3"])).tolist() == [
        *(True, False, False, True, False)
    ]


@pytest.mark.parametrize(
    "text", ["2026-01-31", "1/2/26", "12-Jan-2026", "12:30:00 PM", "2026-01-31T12:30:00.5+01:00"]
)
def test_dates(text):
    assert is_date(pa.array([text])).tolist() == [True]


@pytest.mark.parametrize("text", ["2026", "1-2", "2026-01", "v1.2.3.4", "10-20 mg", "2026-01-31 red", "1:2"])
def test_no_dates(text):
    assert is_date(pa.array([text])).tolist() == [False]


def test_cells_of_other_types_as_text():
    assert as_text("x", pa.array([1.0, 0.5, None])).to_pylist() == ["1", "0.5", None]
    assert as_text("x", pa.array([2**53 + 1])).to_pylist() == ["9007199254740993"]
    assert as_text("x", pa.array([True, False, None])).to_pylist() == ["True", "False", None]
    with pytest.raises(InvalidError) as caught:
        as_text("x", pa.array([{"y": 1}]))
    assert caught.value.places[0].column == "x"
