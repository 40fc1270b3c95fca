"""CSV as programs write it: stored indexes, separators, decimal commas, marks, files without a header."""

import io

import numpy as np
import pandas as pd
import pytest

from app.problems import InvalidError
from app.tables.columns.options import ReadOptions
from app.tables.open_table import read_blocks
from app.tables.readers.csv_reader import read_csv


def read(text, limits, **options):
    data = text if isinstance(text, bytes) else text.encode()
    return read_blocks(
        read_csv(io.BytesIO(data), ReadOptions(**options), limits),
        lambda table: np.concatenate([np.empty((0, len(table.columns))), *table.blocks()]),
    )


def fault(text, limits, **options):
    with pytest.raises(InvalidError) as caught:
        read(text, limits, **options)
    return caught.value


FRAME = pd.DataFrame({"a": [1.5, 2, 3], "b": [4, 5, 6]}, index=[7, 3, 5])
INDEXED = {
    "of numbers": FRAME.to_csv(),
    "of text": FRAME.set_axis(["x", "y", "z"]).to_csv(),
    "of dates": FRAME.set_axis(pd.date_range("2026-01-31", periods=3)).to_csv(),
    "of two levels": FRAME.set_axis(pd.MultiIndex.from_product([["x"], [1, 2, 3]])).to_csv(),
    "stored twice": pd.read_csv(io.StringIO(FRAME.to_csv())).to_csv(),
    "stored three times": pd.read_csv(
        io.StringIO(pd.read_csv(io.StringIO(FRAME.to_csv())).to_csv())
    ).to_csv(),
    "read and stored without": pd.read_csv(io.StringIO(FRAME.to_csv())).to_csv(index=False),
    "of a file with a mark": "\ufeff" + FRAME.to_csv(),
    "by R, the header one shorter": '"a","b"\n"1",1.5,4\n"2",2,5\n"3",3,6\n',
    "by R, with a name of nothing": '"","a","b"\n"1",1.5,4\n"2",2,5\n"3",3,6\n',
}


@pytest.mark.parametrize("text", INDEXED.values(), ids=INDEXED.keys())
def test_a_stored_index_is_left_out_and_told(text, limits):
    table, rows = read(text, limits)
    assert table.columns == ("a", "b")
    assert rows.tolist() == [[1.5, 4], [2, 5], [3, 6]]
    assert {column.name[:9] for column in table.left_out} == {"Unnamed: "}
    told = [remark.column for remark in table.remarks if remark.code == "left_out"]
    assert told == [column.name for column in table.left_out]
    assert all("give it a type" in column.reason for column in table.left_out)


def test_a_stored_index_is_had_by_its_type(limits):
    table, rows = read(INDEXED["of numbers"], limits, types={"Unnamed: 0": "numeric"})
    assert table.columns == ("Unnamed: 0", "a", "b")
    assert rows[:, 0].tolist() == [7, 3, 5]
    table, _ = read(INDEXED["of text"], limits, types={"Unnamed: 0": "key"})
    assert table.keys["Unnamed: 0"].to_pylist() == ["x", "y", "z"]


def test_a_named_index_is_a_column_as_any_other(limits):
    table, _ = read(FRAME.to_csv(index_label="id"), limits)
    assert table.columns == ("id", "a", "b")


@pytest.mark.parametrize("header", [",", "a,,b", "a,b,"])
def test_other_columns_need_a_name(header, limits):
    assert fault(f"{header}\n{header.replace('a', '1').replace('b', '2')}\n", limits).code in {
        "invalid_column_name",
        "duplicate_column",
    }


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a;b\n1.5;2\n3;4\n", {"delimiter": ";"}),
        ("a\tb\n1.5\t2\n3\t4\n", {"delimiter": "\t"}),
        ("a|b\n1.5|2\n3|4\n", {"delimiter": "|"}),
        ("a;b\r\n1,5;2,0\r\n3;4\r\n", {"delimiter": ";", "decimal": ","}),
        ('a,b\n"1,5",2\n3,4\n', {"decimal": ","}),
        ("a\tb\n1,5\t2\n3\t4,0e0\n", {"delimiter": "\t", "decimal": ","}),
        ("sep=;\na;b\n1.5;2\n3;4\n", {}),
        ("\ufeffsep=;\r\na;b\r\n1,5;2\r\n3;4\r\n", {"decimal": ","}),
        ("SEP=\t\ra\tb\r1.5\t2\r3\t4\r", {}),
        ("sep=|\na|b\n1.5|2\n3|4\n", {"delimiter": ","}),
        ('\ufeff"a",b\n1.5,2\n3,4', {}),
    ],
)
def test_the_same_table_however_it_is_separated(text, options, limits):
    table, rows = read(text, limits, **options)
    assert table.columns == ("a", "b")
    assert rows.tolist() == [[1.5, 2], [3, 4]]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_file_that_looks_separated_by_something_else_says_so(delimiter, limits):
    error = fault(f"a{delimiter}b\n1,5{delimiter}2,5\n", limits)
    assert error.code == "wrong_delimiter"
    assert error.places[0].field == "delimiter"


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ('"a" "b"\n"row 1" 1.5 2\n"row 2" 3 4\n', "space"),
        ('"a";"b"\n"row 1";1.5;2\n"row 2";3;4\n', ";"),
        ('"a"\t"b"\n"row 1"\t1.5\t2\n"row 2"\t3\t4\n', "tab"),
    ],
)
def test_tables_of_r_with_names_of_rows_are_read_once_it_is_said_what_separates_them(text, delimiter, limits):
    assert f"delimiter={delimiter}" in fault(text, limits).detail
    said = {"space": " ", "tab": "\t"}.get(delimiter, delimiter)
    table, rows = read(text, limits, delimiter=said)
    assert (table.columns, rows.tolist()) == (("a", "b"), [[1.5, 2], [3, 4]])
    assert [column.name for column in table.left_out] == ["Unnamed: 0"]


def test_cells_that_are_numbers_with_a_decimal_comma_say_so(limits):
    error = fault("a;b\n1,5;2\n3,5;4\n", limits, delimiter=";")
    assert [place.column for place in error.places] == ["a"]
    assert "decimal=" in error.detail


@pytest.mark.parametrize("character", ["a", "7", "_", "\u00e9", ";;", ""])
def test_a_line_that_begins_as_if_it_named_a_separator_is_a_header(character, limits):
    table, rows = read(f"sep={character},b\n1,2\n", limits)
    assert (table.columns, rows.tolist()) == ((f"sep={character}", "b"), [[1, 2]])
    table, rows = read(f"sep={character}\n1\n", limits)
    assert (table.columns, rows.tolist()) == ((f"sep={character}",), [[1]])


@pytest.mark.parametrize("has_line", [False, True])
def test_without_a_header_the_first_row_is_a_row(has_line, limits):
    text = ("sep=;\n" if has_line else "") + "1.5;2\n3;4\n"
    table, rows = read(text, limits, has_header=False, delimiter=";")
    assert (table.columns, table.has_names) == (("f0", "f1"), False)
    assert rows.tolist() == [[1.5, 2], [3, 4]]
    error = fault(text + "5;x\n", limits, has_header=False, delimiter=";")
    assert (error.places[0].column, error.places[0].row, error.places[0].line) == ("f1", 3, 3 + has_line)


def test_names_may_be_sent_with_a_file_without_a_header(limits):
    options = {"has_header": False, "columns": ("x", " y ")}
    table, _ = read("1,2\n3,4\n", limits, **options)
    assert (table.columns, table.has_names) == (("x", "y"), True)
    table, rows = read("1,A7\n3,B8\n", limits, types={"y": "key"}, **options)
    assert (table.columns, table.keys["y"].to_pylist()) == (("x",), ["A7", "B8"])
    assert rows.tolist() == [[1], [3]]
    assert fault("1,2,3\n", limits, **options).code == "wrong_width"
    assert "itself" in fault("a,b\n1,2\n", limits, columns=("x", "y")).detail


def test_as_many_known_features_name_a_file_without_a_header(limits):
    table, rows = read("1,2\n3,4\n", limits, has_header=False, known={"x": None, "y": None})
    assert (table.columns, rows.tolist()) == (("x", "y"), [[1, 2], [3, 4]])


def test_more_names_than_there_may_be_are_not_made_up(limits):
    assert fault("," * 2_000_000, limits, has_header=False).code == "too_many_features"


def test_spaces_around_names_are_taken_off_and_told(limits):
    table, _ = read(" a , b\n1,2\n", limits)
    assert table.columns == ("a", "b")
    assert [remark.code for remark in table.remarks] == ["spaces_in_names"]
