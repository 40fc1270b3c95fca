"""CSV: what is a number, what is missing, and where exactly the fault is."""

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.problems import InvalidError, NotParseableError
from app.tables.columns.options import ReadOptions
from app.tables.open_table import collect_rows
from app.tables.readers import csv_faults
from app.tables.readers.csv_reader import read_csv
from app.tables.table import TableLimits

NAN = np.nan


def rows_of(text, limits):
    data = text if isinstance(text, bytes) else text.encode()
    table = read_csv(io.BytesIO(data), ReadOptions(), limits)
    return collect_rows(table, 10_000)


def fault_of(text, limits):
    with pytest.raises(InvalidError) as caught:
        rows_of(text, limits)
    return caught.value


def test_names_and_numbers_are_read(limits):
    table = read_csv(io.BytesIO(b'a, b ,"c,d"\n1,2.5,-3e2\n'), ReadOptions(), limits)
    assert table.columns == ("a", "b", "c,d")
    assert table.has_names
    assert collect_rows(table, 10).tolist() == [[1, 2.5, -300]]


@pytest.mark.parametrize("cell", ["", '""', "nan", "NaN", "NAN", " ", "   "])
def test_empty_and_nan_cells_are_missing(cell, limits):
    assert np.isnan(rows_of(f"a,b\n1,{cell}\n", limits)).tolist() == [[False, True]]


@pytest.mark.parametrize(
    "text", ["a,b\r\n1,2\r\n3,4\r\n", "a,b\r1,2\r3,4\r", "\ufeffa,b\n1,2\n\n3,4\n\n", "\n\na,b\n1,2\n3,4"]
)
def test_line_endings_byte_order_mark_and_empty_lines_do_not_matter(text, limits):
    assert rows_of(text, limits).tolist() == [[1, 2], [3, 4]]


def test_a_line_break_within_a_name_is_refused_as_such(limits):
    error = fault_of('x,"y\nz"\n1,2\n', limits)
    assert error.places[0].detail == "column 2 has U+000A in its name, which cannot be seen; leave it out"


def test_spaces_around_a_name_are_left_out_and_nothing_else(limits):
    table = read_csv(io.BytesIO(" a\t,\u00a0b \n1,2\n".encode()), ReadOptions(), limits)
    assert table.columns == ("a", "b")
    assert "U+2028" in fault_of("a\u2028,b\n1,2\n", limits).places[0].detail


def test_a_text_cell_is_named_by_column_row_and_line(limits):
    error = fault_of("a,b\n1,2\n\n3,hello\n4,5\n", limits)
    assert error.code == "not_numeric"
    (place,) = error.places
    assert (place.column, place.row, place.line) == ("b", 2, 4)
    assert "'hello'" in place.detail


def test_every_mixed_column_is_named_at_once_with_its_rows_and_how_many(limits):
    error = fault_of("a,b,c,d\n1,2,3,x\nx,5,y,x\n4,5,?,z\n1,1,1,z\n1,1,1,z\n1,1,1,x\n", limits)
    assert [(place.column, place.row, place.line) for place in error.places] == [("a", 2, 3), ("c", 2, None)]
    assert [place.detail for place in error.places] == [
        "1 cell is no number: 'x' (rows 2)",
        "2 cells are no number: '?', 'y' (rows 2, 3)",
    ]
    assert "na_values=" in error.detail


@pytest.mark.parametrize(
    "cell", ["1_000", "0x10", "1d5", "one", "1;2", "\u0661", "--1", "1e", "NAN1", "tRUE", "1 2", "nil"]
)
def test_what_looks_like_a_number_elsewhere_is_text_here(cell, limits):
    assert fault_of(f"a,b\n1,{cell}\n1,2\n", limits).places[0].column == "b"


@pytest.mark.parametrize(("line", "count"), [("1,2,3", 3), ("1", 1), ("1,2,", 3)])
def test_a_ragged_row_is_named(line, count, limits):
    error = fault_of(f"a,b\n1,2\n{line}\n", limits)
    assert error.code == "ragged_row"
    assert (error.places[0].row, error.places[0].line) == (2, 3)
    assert f"{count} cells" in error.places[0].detail


def test_a_duplicate_name_is_named(limits):
    error = fault_of("a,b,a\n1,2,3\n", limits)
    assert error.code == "duplicate_column"
    assert error.places[0].column == "a"


@pytest.mark.parametrize("header", ["a,,c", "a,b\x00", "a," + "x" * 201])
def test_names_that_cannot_be_used_are_refused(header, limits):
    assert fault_of(f"{header}\n1,2,3\n", limits).code == "invalid_column_name"


def test_a_body_without_anything_has_no_rows(limits):
    assert fault_of("", limits).code == "no_rows"
    assert rows_of("a,b\n", limits).shape == (0, 2)
    assert rows_of("a,b", limits).shape == (0, 2)


def test_a_header_that_is_not_utf_8_cannot_be_read(limits):
    with pytest.raises(NotParseableError, match="UTF-8"):
        rows_of(b"a,b\xff\n1,2\n", limits)


def test_bytes_that_are_not_utf_8_in_a_row_are_named(limits):
    error = fault_of(b"a,b\n1,2\n1,\xff\n", limits)
    assert error.code == "not_utf8"
    assert (error.places[0].row, error.places[0].line) == (2, 3)


def test_too_many_columns_are_refused(limits):
    assert fault_of(",".join(f"c{i}" for i in range(51)) + "\n", limits).code == "too_many_features"


def test_an_endless_header_is_refused(limits):
    assert fault_of('"' + "x" * (5 << 20), limits).code == "invalid_csv"


def test_a_fault_far_into_the_file_is_found_with_its_line(limits):
    text = "a,b\n" + "1.5,2.5\n" * 200_000 + "1,oops\n"
    (place,) = fault_of(text, limits).places
    assert (place.row, place.line) == (200_001, 200_002)


@pytest.mark.parametrize("endless", ["1", "1,", '"\n",', '"x'])
def test_a_row_without_end_is_given_up(limits, monkeypatch, endless):
    monkeypatch.setattr(csv_faults, "MAX_ROW_CHARACTERS", 10_000)
    fault = fault_of("a,b\n1,2\n" + endless * 20_000, limits)
    assert fault.code in {"invalid_csv", "ragged_row"}
    assert fault.places[0].row == 2


def test_a_header_of_numbers_is_remarked(limits):
    assert read_csv(io.BytesIO(b"1.5,2\n3,4\n"), ReadOptions(), limits).remarks
    assert not read_csv(io.BytesIO(b"a,2\n3,4\n"), ReadOptions(), limits).remarks


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.lists(st.floats(width=32, allow_infinity=False), min_size=3, max_size=3), min_size=1))
def test_single_floats_survive_the_way_through_text(rows, tmp_path_factory):
    limits = TableLimits(1000, 50, 1 << 20, 10**6, 10**4, 10**4, tmp_path_factory.getbasetemp())
    text = "a,b,c\n" + "".join(",".join("" if math.isnan(v) else repr(v) for v in row) + "\n" for row in rows)
    np.testing.assert_array_equal(rows_of(text, limits), np.array(rows, np.float32))


@settings(max_examples=150, deadline=None)
@given(text=st.text(st.sampled_from(list('a1,."\n\r- e\x00é')), max_size=40))
def test_any_text_is_either_read_or_refused(text, tmp_path_factory):
    limits = TableLimits(1000, 50, 1 << 20, 10**6, 10**4, 10**4, tmp_path_factory.getbasetemp())
    try:
        rows_of(text, limits)
    except (InvalidError, NotParseableError):
        return
