"""What columns are: by a look at their cells, or by what was said of them."""

import io

import numpy as np
import pytest

from app.problems import InvalidError
from app.tables.columns.options import ReadOptions
from app.tables.open_table import read_blocks
from app.tables.readers.csv_reader import read_csv

NAN = np.nan


def read(text, limits, **options):
    table = read_csv(io.BytesIO(text.encode()), ReadOptions(**options), limits)
    return read_blocks(table, lambda read: np.concatenate([np.empty((0, len(read.columns))), *read.blocks()]))


def column(cells, limits, **options):
    """One column beside another of numbers: the table, and its values where it is a feature."""
    table, rows = read(
        "n,x\n" + "".join(f"{row},{cell}\n" for row, cell in enumerate(cells)), limits, **options
    )
    return table, rows[:, 1].tolist() if "x" in table.columns else None


def reason(table):
    ((name, told),) = [(left.name, left.reason) for left in table.left_out]
    assert name == "x"
    assert [remark.column for remark in table.remarks if remark.code == "left_out"] == ["x"]
    return told


@pytest.mark.parametrize(
    "cells",
    [
        ["2026-01-31", "2026-02-01"] * 5,
        ["2026-01-31 12:30", "2026-01-31 12:31"] * 5,
        ["2026-01-31T12:30:00Z", "2026-01-31T12:30:00.5+02:00"] * 5,
        ["31.01.2026", "1.2.2026"] * 5,
        ["1/31/26", "2/1/26"] * 5,
        ["12-Jan-2026", "3 Feb 2026"] * 5,
        ["12:30", "7:05:01"] * 5,
        ["2026-01-31", "", "NA", "2026-02-01"] * 3,
    ],
)
def test_dates_are_left_out_first_and_may_be_had(cells, limits):
    assert "type datetime" in reason(column(cells, limits)[0])


@pytest.mark.parametrize(
    "cells",
    [
        [f"S{index:04}" for index in range(20)],
        [f"{index:x}-uuid" for index in range(300)] * 3,
        ["only", "two"],
        ["a sentence", "another one", "and one more"],
        ["a", "b", "c", "a", "b"],
        [*"abcdefghi", "1", "2"],
    ],
)
def test_text_of_many_values_is_left_out_and_may_be_kept(cells, limits):
    assert "type key" in reason(column(cells, limits)[0])


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["red", "blue"] * 2, ["blue", "red"]),
        (["yes", "yes"], ["yes"]),
        (["b", "a", "", "NA", "b", "a"], ["a", "b"]),
        (["low", "mid", "high"] * 5, ["high", "low", "mid"]),
        (["Zoë", "Zoe", '" Zoë"', "Zoe "], ["Zoe", "Zoë"]),
        (["x", "x", "x", "1", "x", "1"], ["1", "x"]),
        ([f"v{index % 255:03}" for index in range(510)], [f"v{index:03}" for index in range(255)]),
    ],
)
def test_text_of_few_values_is_categories(cells, values, limits):
    table, numbers = column(cells, limits)
    assert table.values_of == {"x": tuple(values)}
    shown = [None if np.isnan(number) else values[int(number)] for number in numbers]
    assert shown == [None if cell in {"", "NA"} else cell.strip(' "') for cell in cells]
    assert [remark.column for remark in table.remarks if remark.code == "categorical"] == ["x"]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["True", "False"], [1, 0]),
        (["TRUE", "FALSE"], [1, 0]),
        (["true", "false", "True"], [1, 0, 1]),
        (["True", "", "False"], [1, NAN, 0]),
        (["True", "NA", "False"], [1, NAN, 0]),
        (["True", " False "], [1, 0]),
        (["True", "0", "1.0"], [1, 0, 1]),
        (['"True"', '"False"'], [1, 0]),
    ],
)
def test_true_and_false_are_numbers(cells, numbers, limits):
    np.testing.assert_array_equal(column(cells, limits)[1], numbers)


@pytest.mark.parametrize("cells", [["T", "F"] * 2, ["yes", "no"] * 2, ["tRUE", "fALSE"] * 2])
def test_other_words_for_truth_are_categories(cells, limits):
    assert "x" in column(cells, limits)[0].values_of


@pytest.mark.parametrize(
    "word", ["NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "#N/A", "<NA>", "1.#IND"]
)
def test_the_usual_words_are_missing_and_counted(word, limits):
    table, numbers = column(["1", word, "2", word, "N/A"], limits)
    np.testing.assert_array_equal(numbers, [1, NAN, 2, NAN, NAN])
    (remark,) = [remark for remark in table.remarks if remark.code == "missing_words"]
    assert (remark.column, remark.count) == ("x", 3)
    assert f"{word!r} {3 if word == 'N/A' else 2} times" in remark.detail


@pytest.mark.parametrize(
    ("na_values", "cells", "numbers"),
    [
        (("-",), ["1", "-", "2"], [1, NAN, 2]),
        (("missing", "?"), ["?", "missing", "2"], [NAN, NAN, 2]),
        ((-999,), ["1", "-999", "-999.0", "-9.99e2", "-999.1"], [1, NAN, NAN, NAN, -999.1]),
        ((0.1,), ["1", "0.1", "0.10", "0.11"], [1, NAN, NAN, 0.11]),
        (("-999",), ["1", "-999", "-999.0"], [1, NAN, -999]),
        ((0, "x"), ["0", "x", "5"], [NAN, NAN, 5]),
    ],
)
def test_other_words_and_numbers_are_missing_when_they_are_named(na_values, cells, numbers, limits):
    np.testing.assert_array_equal(column(cells, limits, na_values=na_values)[1], numbers)


def test_every_mixed_column_is_named_at_once_with_its_rows_and_how_many(limits):
    text = "a,b,c,d\n" + "1,2,3,x\n" * 4 + "?,2,high,x\n1,2,low,x\n?,2,?,x\n"
    with pytest.raises(InvalidError) as caught:
        read(text, limits)
    assert caught.value.code == "not_numeric"
    assert "na_values=" in caught.value.detail
    assert [(place.column, place.row, place.detail) for place in caught.value.places] == [
        ("a", 5, "2 cells are no number: '?' (rows 5, 7)"),
        ("c", 5, "3 cells are no number: '?', 'high', 'low' (rows 5, 6, 7)"),
    ]
    table, _ = read(text, limits, na_values=("?",), types={"c": "ignore"})
    assert table.columns == ("a", "b", "d")


def test_half_of_the_cells_being_numbers_makes_a_mixed_column(limits):
    with pytest.raises(InvalidError):
        column(["1", "2", "x", "x"], limits)
    assert column(["1", "x", "x", "x"], limits)[0].values_of == {"x": ("1", "x")}


@pytest.mark.parametrize(
    ("kind", "cells", "expected"),
    [
        ("numeric", ["1", "", "True"], [1, NAN, 1]),
        ("categorical", ["10", "9", "NA"], [0, 1, NAN]),
        ("categorical", ["only", "two", ""], [0, 1, NAN]),
        ("datetime", ["2026-01-31", "NA", "2026-02-01"], [0, NAN, 86400]),
        ("key", ["A7", "", "NA"], None),
        ("ignore", ["1", "2", "3"], None),
    ],
)
def test_a_column_is_what_is_said_of_it(kind, cells, expected, limits):
    table, numbers = column(cells, limits, types={"x": kind})
    assert table.columns == (("n", "x") if expected else ("n",))
    if expected:
        np.testing.assert_array_equal(numbers, expected)
    assert [cells.to_pylist() for cells in table.keys.values()] == ([cells] if kind == "key" else [])
    assert [left.name for left in table.left_out] == (["x"] if kind == "ignore" else [])
    assert table.origins == ({"x": "2026-01-31T00:00:00"} if kind == "datetime" else {})


@pytest.mark.parametrize(
    ("types", "cells", "code"),
    [
        ({"x": "numeric"}, ["red", "blue"], "not_numeric"),
        ({"x": "numeric"}, ["2026-01-31"], "not_numeric"),
        ({"x": "categorical"}, [f"v{index}" for index in range(256)], "not_numeric"),
        ({"x": "datetime"}, ["red"], "not_a_time"),
        ({"x": "datetime"}, ["31.01.2026"], "not_a_time"),
        ({"x": "datetime"}, ["1700000000"], "not_a_time"),
        ({"y": "key"}, ["1"], "invalid"),
    ],
)
def test_a_type_that_does_not_fit_is_refused_by_column(types, cells, code, limits):
    with pytest.raises(InvalidError) as caught:
        column(cells, limits, types=types)
    assert caught.value.code == code
    assert caught.value.places[0].column in types


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        ({"include": ("a_1",)}, ("a_1",)),
        ({"include": ("a_*",)}, ("a_1", "a_2")),
        ({"include": ("?_1", "c[2]")}, ("a_1", "b_1", "c[2]")),
        ({"include": ("*",), "exclude": ("b*",)}, ("a_1", "a_2", "c[2]")),
        ({"exclude": ("a_[12]",)}, ("b_1", "c[2]")),
        ({"exclude": ("c[2]", "none")}, ("a_1", "a_2", "b_1")),
        ({"include": ("a_*",), "types": {"b_1": "key"}}, ("a_1", "a_2")),
        ({"exclude": ("A_*",)}, ("a_1", "a_2", "b_1", "c[2]")),
    ],
)
def test_names_and_globs_choose_columns(options, columns, limits):
    table, rows = read("a_1,a_2,b_1,c[2]\n1,2,3,4\n", limits, **options)
    assert table.columns == columns
    assert rows.shape == (1, len(columns))
    kept = {*columns, *table.keys}
    assert [(left.name, left.reason) for left in table.left_out] == [
        (name, "as asked") for name in ("a_1", "a_2", "b_1", "c[2]") if name not in kept
    ]


def test_columns_that_are_left_out_may_hold_anything(limits):
    text = "a,x\n" + "".join(f"{row},{'?' if row == 3 else row}\n" for row in range(9))
    for options in ({"exclude": ("x",)}, {"include": ("a",)}, {"types": {"x": "ignore"}}):
        assert read(text, limits, **options)[0].columns == ("a",)


def test_a_table_without_rows_may_have_types(limits):
    table, rows = read("a,b,c\n", limits, types={"a": "categorical", "b": "datetime", "c": "key"})
    assert (table.columns, rows.shape, table.values_of) == (("a", "b"), (0, 2), {"a": ()})
    assert table.keys["c"].to_pylist() == []


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (['"1,234.5"', '"12,345.6"', "7"], "leave out what separates thousands"),
        (["1'234", "5'678'901.5"], "leave out what separates thousands"),
        (["1.234.567", "2.345.678"], "leave out what separates thousands"),
        (['"1.234,5"', '"2.345,6"'], "leave out what separates thousands"),
        (['"1,234"', '"2,345"'], "with decimal=, the commas would begin decimals; if they do not, leave out"),
        (['"1,5"', '"2,345"'], "with decimal=, they would be"),
    ],
)
def test_numbers_in_another_spelling_are_refused_with_what_to_do(cells, told, limits):
    with pytest.raises(InvalidError) as caught:
        column(cells, limits)
    assert caught.value.code == "not_numeric"
    assert told in caught.value.detail


@pytest.mark.parametrize("cells", [["192.168.1.1", "10.0.0.1"], ["1,2", "3,4"], ["12-345", "67-890"]])
def test_what_only_looks_like_thousands_is_no_number(cells, limits):
    cells = [f'"{cell}"' for cell in cells]
    try:
        told = reason(column(cells, limits)[0])
    except InvalidError as error:
        told = error.detail
    assert "thousands" not in told
