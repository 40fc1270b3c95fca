"""The same table in every format: keys are kept, known features are read, the others stay unread."""

import io

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from app.formats import Format
from app.problems import InvalidError, TooLargeError
from app.tables.columns.options import ReadOptions
from app.tables.open_table import collect_rows, open_table, read_blocks
from app.tables.readers import csv_faults


def as_json(table):
    rows = [list(row.values()) for row in table.to_pylist()]
    return io.BytesIO(orjson.dumps({"columns": table.column_names, "rows": rows}))


def as_csv(table):
    return io.BytesIO(table.to_pandas().to_csv(index=False).encode())


def as_stream(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return io.BytesIO(sink.getvalue())


def as_feather(table):
    body = io.BytesIO()
    feather.write_feather(table, body)
    return body


def as_parquet(table):
    body = io.BytesIO()
    parquet.write_table(table, body)
    return body


WRITERS = {
    Format.CSV: as_csv,
    Format.JSON: as_json,
    Format.ARROW: as_stream,
    Format.ARROW_FILE: as_feather,
    Format.PARQUET: as_parquet,
}
every_format = pytest.mark.parametrize("file_format", WRITERS)


def opened(table, file_format, limits, **options):
    return open_table(WRITERS[file_format](table), file_format, ReadOptions(**options), limits)


PEOPLE = pa.table(
    {
        "who": ["A7", "B8", "Zo\u00eb", "D,9"],
        "number": [2**53 + 1, 2, 3, 4],
        "x": [1.5, None, 2.5, 3.5],
        "colour": ["red", "blue", "red", "blue"],
    }
)


@every_format
def test_keys_and_categories_are_the_same_in_every_format(file_format, limits):
    table = opened(PEOPLE, file_format, limits, types={"who": "key", "number": "key"})
    assert table.columns == ("x", "colour")
    assert {name: cells.to_pylist() for name, cells in table.keys.items()} == {
        "who": ["A7", "B8", "Zo\u00eb", "D,9"],
        "number": ["9007199254740993", "2", "3", "4"],
    }
    assert table.values_of == {"colour": ("blue", "red")}
    np.testing.assert_array_equal(collect_rows(table, 10), [[1.5, 1], [np.nan, 0], [2.5, 1], [3.5, 0]])


@every_format
def test_keys_may_be_missing(file_format, limits):
    table = opened(pa.table({"k": ["a", None], "x": [1, 2]}), file_format, limits, types={"k": "key"})
    assert table.keys["k"].to_pylist() in (["a", None], ["a", ""])


ODD = pa.table(
    {"odd": ["2026-01-31", "?", "1"], "b": [1.0, 2.0, 3.0], "more": ["1", "x", "2"], "a": [4, 5, 6]}
)


@every_format
def test_columns_that_are_not_known_stay_unread_whatever_they_hold(file_format, limits):
    table = opened(ODD, file_format, limits, known={"a": None, "b": None, "absent": None})
    assert table.columns == ("b", "a")
    assert collect_rows(table, 10).tolist() == [[1, 4], [2, 5], [3, 6]]


@every_format
def test_an_unknown_value_of_a_known_category_is_missing(file_format, limits):
    rows = pa.table({"c": ["red", "green", None, "blue"], "x": [1, 2, 3, 4]})
    table = opened(rows, file_format, limits, known={"c": ("blue", "red"), "x": None})
    np.testing.assert_array_equal(collect_rows(table, 10)[:, 0], [1, np.nan, np.nan, 0])


@every_format
def test_a_category_of_numbers_is_found_by_its_text(file_format, limits):
    rows = pa.table({"c": [10, 9, 8], "x": [1, 2, 3]})
    table = opened(rows, file_format, limits, known={"c": ("10", "9"), "x": None})
    np.testing.assert_array_equal(collect_rows(table, 10)[:, 0], [0, 1, np.nan])


DAY = 86_400
ORIGIN = {"d": "2026-01-31T00:00:00"}


@every_format
@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2026-02-01", None, "2026-01-30"], [DAY, np.nan, -DAY]),
        (["2026-02-01 00:00", "NA", "1.5"], [DAY, np.nan, 1.5]),
        ([DAY, None, 1], [DAY, np.nan, 1]),
    ],
)
def test_known_times_are_dates_or_seconds_since_their_origin(file_format, cells, expected, limits):
    rows = pa.table({"x": [1, 2, 3], "d": cells})
    table = opened(rows, file_format, limits, known={"d": None, "x": None}, origins=ORIGIN)
    np.testing.assert_array_equal(collect_rows(table, 10, np.float64)[:, 1], expected)


@pytest.mark.parametrize("file_format", [Format.ARROW, Format.ARROW_FILE, Format.PARQUET])
def test_known_times_may_be_of_arrows_types(file_format, limits):
    for kind in (pa.timestamp("ns"), pa.timestamp("ms", "UTC"), pa.date32()):
        rows = pa.table({"d": pa.array([20_485, None], pa.date32()).cast(kind)})
        table = opened(rows, file_format, limits, known={"d": None}, origins=ORIGIN)
        np.testing.assert_array_equal(collect_rows(table, 10)[:, 0], [DAY, np.nan])


@every_format
def test_a_time_of_day_is_no_date(file_format, limits):
    rows = pa.table({"d": ["12:30"]})
    with pytest.raises(InvalidError) as caught:
        collect_rows(opened(rows, file_format, limits, known={"d": None}, origins=ORIGIN), 10)
    assert caught.value.code == "not_a_time"


@pytest.mark.parametrize("file_format", [Format.ARROW, Format.ARROW_FILE, Format.PARQUET])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_durations_are_numbers_of_seconds(file_format, unit, limits):
    rows = pa.table({"d": pa.array([90_000, None], pa.duration("s")).cast(pa.duration(unit))})
    table = opened(rows, file_format, limits)
    np.testing.assert_array_equal(collect_rows(table, 10)[:, 0], [90_000, np.nan])


@every_format
def test_a_text_in_a_known_number_is_named_by_column_and_row(file_format, limits):
    rows = pa.table({"x": ["1", "2", "red", "NA"], "n": [1, 2, 3, 4]})
    with pytest.raises(InvalidError) as caught:
        collect_rows(opened(rows, file_format, limits, known={"x": None, "n": None}), 10)
    assert caught.value.code == "not_numeric"
    assert [(place.column, place.row) for place in caught.value.places] == [("x", 3)]
    assert "'red'" in caught.value.detail


@every_format
def test_names_are_not_sent_with_a_file_that_has_them(file_format, limits):
    table = pa.table({"a": [1], "b": [2]})
    assert opened(table, file_format, limits, columns=("a", "b")).columns == ("a", "b")
    with pytest.raises(InvalidError, match="itself"):
        opened(table, file_format, limits, columns=("x", "y"))


def array(values):
    body = io.BytesIO()
    np.save(body, values)
    return body


NAMELESS = {
    Format.NPY: lambda: array(np.array([[1, 2, -999], [4, 5, 6]])),
    Format.JSON: lambda: io.BytesIO(b'{"rows": [[1, 2, -999], [4, 5, 6]]}'),
    Format.CSV: lambda: io.BytesIO(b"1,2,-999\n4,5,6\n"),
}


@pytest.mark.parametrize("file_format", NAMELESS)
def test_what_is_said_of_columns_holds_for_those_that_are_named_by_the_request(file_format, limits):
    options = ReadOptions(
        columns=("x", "who", "z"),
        types={"who": "key"},
        na_values=(-999,),
        has_header=file_format is not Format.CSV,
    )
    table = open_table(NAMELESS[file_format](), file_format, options, limits)
    assert table.columns == ("x", "z")
    assert table.keys["who"].to_pylist() == ["2", "5"]
    np.testing.assert_array_equal(collect_rows(table, 10), [[1, np.nan], [4, 6]])


@pytest.mark.parametrize("dtype", ["?", "i1", ">i4", "<u8", "f2", ">f4", "f8", "g"])
def test_arrays_of_every_type_take_types(dtype, limits):
    body = array(np.array([[1, 0], [0, 1]], dtype))
    options = ReadOptions(types={"f0": "categorical"}, exclude=("none",))
    table = open_table(body, Format.NPY, options, limits)
    assert table.values_of["f0"] == (("False", "True") if dtype == "?" else ("0", "1"))
    assert collect_rows(table, 10).tolist() == [[1, 0], [0, 1]]


def test_families_lose_the_features_that_are_left_out(limits):
    body = io.BytesIO()
    np.savez(body, a=np.ones((2, 2)), b=np.ones((2, 1)), c=np.ones(2))
    table = open_table(body, Format.NPZ, ReadOptions(exclude=("a_0", "b_*")), limits)
    assert (table.columns, table.family_widths) == (("a_1", "c_0"), {"a": 1, "c": 1})


def test_more_rows_than_a_request_may_have_are_refused(limits):
    body = io.BytesIO(pd.DataFrame({"a": range(11)}).to_csv(index=False).encode())
    with pytest.raises(TooLargeError) as caught:
        collect_rows(open_table(body, Format.CSV, ReadOptions(), limits), 10)
    assert caught.value.code == "too_many_rows"


@pytest.mark.parametrize("is_on_disk", [False, True])
@pytest.mark.parametrize("late", [0, 100, 5000, 19_999])
def test_a_table_is_read_again_in_whole_when_a_cell_is_text(late, is_on_disk, limits, monkeypatch, tmp_path):
    monkeypatch.setattr(
        csv_faults, "MAX_ROW_CHARACTERS", 1 << 14
    )  # many blocks, of which some are read ahead
    numbers = np.arange(20_000.0)
    text = "a,b\n" + "".join(f"{row},{'NA' if row == late else row}\n" for row in range(20_000))
    (tmp_path / "upload").write_text(text)
    for _ in range(5):
        body = (tmp_path / "upload").open("rb") if is_on_disk else io.BytesIO(text.encode())
        with body:
            rows = collect_rows(open_table(body, Format.CSV, ReadOptions(), limits), 20_000, np.float64)
        np.testing.assert_array_equal(rows[:, 0], numbers)
        np.testing.assert_array_equal(rows[:, 1], np.where(numbers == late, np.nan, numbers))


@pytest.mark.parametrize("late", [0, 1500, 1999])
@pytest.mark.parametrize("word", ["NA", "NaN", "-9.99e2", "0001", "1e9"])
def test_words_for_missing_are_counted_wherever_they_stand_beside_text(late, word, limits, monkeypatch):
    monkeypatch.setattr(csv_faults, "MAX_ROW_CHARACTERS", 1 << 12)
    rows = (f"{'ab'[row % 2]},{word if row == late else row},{row}\n" for row in range(2000))
    body = io.BytesIO(("site,x,y\n" + "".join(rows)).encode())
    table, values = read_blocks(
        open_table(body, Format.CSV, ReadOptions(na_values=(-999, "0001", "1e9")), limits),
        lambda table: np.concatenate([*table.blocks()]),
    )
    assert [(warned.code, warned.column, warned.count) for warned in table.remarks] == [
        ("categorical", "site", None),
        ("missing_words", "x", 1),
    ]
    numbers = np.arange(2000.0)
    expected = np.column_stack([numbers % 2, np.where(numbers == late, np.nan, numbers), numbers])
    np.testing.assert_array_equal(values, expected)


def test_all_that_is_no_number_is_named_at_once_however_late_it_comes_beside_text(limits, monkeypatch):
    monkeypatch.setattr(csv_faults, "MAX_ROW_CHARACTERS", 1 << 12)
    rows = (f"{'ab'[row % 2]},{row},{row},{row}\n" for row in range(2000))
    body = io.BytesIO(("site,x,y,z\n" + "".join(rows) + "a,?,1,1\na,2,1,!\n").encode())
    with pytest.raises(InvalidError) as caught:
        read_blocks(open_table(body, Format.CSV, ReadOptions(), limits), lambda table: [*table.blocks()])
    assert [(place.column, place.row) for place in caught.value.places] == [("x", 2001), ("z", 2002)]
