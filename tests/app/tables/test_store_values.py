"""The stored form: floats, NaN for missing, nothing infinite; what is odd is said."""

import io
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.problems import InvalidError, TooLargeError
from app.tables.columns.options import ReadOptions
from app.tables.readers.csv_reader import read_csv
from app.tables.store_values import write_values
from app.tables.table import Table, TableLimits


def written(blocks, limits, columns=("a", "b"), **more):
    table = Table(columns=columns, blocks=lambda: iter(blocks), has_names=True, **more)
    with tempfile.TemporaryFile() as target:
        _, report = write_values(table, target, limits)
        target.seek(0)
        return report, np.load(target)


@settings(max_examples=40, deadline=None)
@given(
    values=arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 30), st.just(2)),
        elements=st.floats(width=32, allow_infinity=False),
    ),
    cut=st.integers(0, 30),
)
def test_blocks_are_put_together_as_they_came(values, cut, tmp_path_factory):
    limits = TableLimits(1000, 50, 1 << 20, 10**6, 10**4, 10**4, tmp_path_factory.getbasetemp())
    blocks = [block for block in (values[:cut], values[cut:]) if len(block)]
    report, stored = written(blocks, limits)
    assert report.rows == len(values)
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, values)


def test_missing_values_are_counted_by_column_across_blocks(limits):
    nan = np.nan
    report, _ = written([np.array([[1, nan], [2, 1]]), np.array([[nan, nan], [3, 4]])], limits)
    assert [(w.code, w.column, w.count) for w in report.warnings] == [
        ("missing_values", "a", 1),
        ("missing_values", "b", 2),
    ]


def test_constant_and_empty_columns_are_said(limits):
    report, _ = written([np.array([[7, np.nan], [7, np.nan]]), np.array([[7.0, np.nan]])], limits)
    assert [(w.code, w.column) for w in report.warnings] == [("constant_column", "a"), ("empty_column", "b")]


@pytest.mark.parametrize(
    ("numbers", "is_id"),
    [
        (np.arange(1, 201), True),
        (np.random.default_rng(0).permutation(200) + 5_000_000, True),
        (np.arange(200) - 100, True),
        (np.arange(99), False),  # so few may well follow each other
        (np.arange(200) * 2, False),
        (np.arange(200) / 4, False),
        (np.arange(200) + 0.5, False),
        (np.append(np.arange(199), np.nan), False),
        (np.append(np.arange(199), 7), False),
        (np.repeat([0, 199], 100), False),
        (np.concatenate([[0], np.full(198, 99.5), [199]]), False),
    ],
)
def test_numbers_that_count_the_rows_may_be_ids_and_are_said(numbers, is_id, limits):
    blocks = np.column_stack([numbers.astype(float), np.sin(numbers)])
    report, _ = written([blocks[:70], blocks[70:]], limits)
    assert [w.column for w in report.warnings if w.code == "id_column"] == ["a"] * is_id


def test_times_that_follow_each_other_are_no_ids(limits):
    days = np.arange(200.0)[:, None]
    report, _ = written([days], limits, ("when",), origins={"when": "2020-01-01"})
    assert report.warnings == ()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_blocks_without_rows_and_numbers_at_the_ends_of_their_type_are_no_trouble(dtype, limits):
    most = np.finfo(dtype).max
    blocks = [np.empty((0, 2), dtype), np.array([[most, 1], [-most, 2]], dtype)]
    report, stored = written(blocks, limits)
    assert (report.rows, report.warnings, len(stored)) == (2, (), 2)


def test_a_column_that_changes_between_blocks_is_not_constant(limits):
    report, _ = written([np.array([[1, 1.0]]), np.array([[1, 2.0]])], limits)
    assert [w.column for w in report.warnings] == ["a"]


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinity_is_named_by_column_and_row(value, limits):
    with pytest.raises(InvalidError) as caught:
        written([np.zeros((3, 2)), np.array([[0, 0], [0, value]])], limits)
    assert caught.value.code == "not_finite"
    (place,) = caught.value.places
    assert (place.column, place.row, place.detail) == ("b", 5, "infinite")


def test_an_infinity_in_text_is_named_by_line_too(limits):
    table = read_csv(io.BytesIO(b"a,b\n1,2\n\n3,inf\n"), ReadOptions(), limits)
    with pytest.raises(InvalidError) as caught, tempfile.TemporaryFile() as target:
        write_values(table, target, limits)
    assert (caught.value.places[0].row, caught.value.places[0].line) == (2, 4)


def test_times_that_float32_rounds_only_late_are_kept_whole_from_the_first_row(limits):
    seconds = [np.array([[0.0], [1.0]]), np.array([[2.0**24 + 1], [3.0]])]
    report, stored = written(seconds, limits, ("when",), origins={"when": "2020-01-01"})
    assert report.rows == 4
    assert stored.dtype == np.float64
    assert stored[:, 0].tolist() == [0, 1, 2**24 + 1, 3]


def test_no_rows_are_refused(limits):
    with pytest.raises(InvalidError) as caught:
        written([], limits)
    assert caught.value.code == "no_rows"


def test_too_many_rows_are_refused_before_all_are_read(limits):
    def endless():
        while True:
            yield np.zeros((100, 2))

    with pytest.raises(InvalidError) as caught:
        written(endless(), limits)
    assert caught.value.code == "too_many_rows"
    assert "1000 rows" in caught.value.detail


def test_too_many_values_are_refused(tmp_path):
    limits = TableLimits(10**9, 50, 8000, 10**6, 10**4, 10**4, tmp_path)
    with pytest.raises(TooLargeError, match="more than 8000 bytes"):
        written((np.zeros((100, 2)) for _ in range(20)), limits)
