"""Columns of Arrow and Parquet as pandas and others write them: indexes, categories, lists, times, names."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from app.problems import InvalidError
from app.tables.columns.options import ReadOptions
from app.tables.readers.arrow_reader import read_arrow, read_arrow_file, read_parquet, read_referring_arrow


def as_stream(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return io.BytesIO(sink.getvalue())


def as_feather(table, compression="uncompressed"):
    body = io.BytesIO()
    feather.write_feather(table, body, compression=compression)
    return body


def as_parquet(table):
    body = io.BytesIO()
    parquet.write_table(table, body, row_group_size=2)
    return body


WAYS = {
    "stream": lambda table: (read_referring_arrow, as_stream(table)),
    "feather": lambda table: (read_arrow_file, as_feather(table)),
    "feather lz4": lambda table: (read_arrow_file, as_feather(table, "lz4")),
    "feather zstd": lambda table: (read_arrow_file, as_feather(table, "zstd")),
    "parquet": lambda table: (read_parquet, as_parquet(table)),
}


@pytest.fixture(params=WAYS)
def read(request, limits):
    """Writes a table in one of the forms, and reads it: the table, and its rows."""

    def write_and_read(table, **options):
        if isinstance(table, pd.DataFrame):
            table = pa.Table.from_pandas(table)
        function, body = WAYS[request.param](table)
        read = function(body, ReadOptions(**options), limits)
        return read, np.concatenate([np.empty((0, len(read.columns))), *read.blocks()])

    return write_and_read


FRAME = pd.DataFrame({"a": [1.5, 2, 3], "b": [4, 5, 6]}, index=[7, 3, 5])
INDEXED = {
    "of numbers": (FRAME, ["__index_level_0__"]),
    "of text": (FRAME.set_axis(["x", "y", "z"]), ["__index_level_0__"]),
    "with a name": (FRAME.rename_axis("who"), ["who"]),
    "of two levels": (
        FRAME.set_axis(pd.MultiIndex.from_product([["x"], [1, 2, 3]])),
        ["__index_level_0__", "__index_level_1__"],
    ),
    "of two named levels": (
        FRAME.set_axis(pd.MultiIndex.from_product([["x"], [1, 2, 3]], names=["k", "l"])),
        ["k", "l"],
    ),
    "of dates": (FRAME.set_axis(pd.date_range("2026-01-31", periods=3, name="day")), ["day"]),
    "of a range": (FRAME.reset_index(drop=True), []),
}


@pytest.mark.parametrize(("frame", "index"), INDEXED.values(), ids=INDEXED.keys())
def test_a_stored_index_is_left_out_and_told(read, frame, index):
    table, rows = read(frame)
    assert table.columns == ("a", "b")
    assert rows.tolist() == [[1.5, 4], [2, 5], [3, 6]]
    assert [left.name for left in table.left_out] == index
    assert all("give it a type" in left.reason for left in table.left_out)
    assert [remark.column for remark in table.remarks if remark.code == "left_out"] == index


def test_a_stored_index_is_had_by_its_type(read):
    table, rows = read(FRAME, types={"__index_level_0__": "numeric"})
    assert table.columns == ("a", "b", "__index_level_0__")
    assert rows[:, 2].tolist() == [7, 3, 5]
    table, _ = read(FRAME.rename_axis("who"), types={"who": "key"})
    assert table.keys["who"].to_pylist() == ["7", "3", "5"]


@pytest.mark.parametrize(
    "metadata", [b"", b"{", b"[]", b"1", b'{"index_columns": 1}', b'{"index_columns": [{}, 1, "b"]}']
)
def test_whatever_somebody_wrote_about_an_index_does_no_harm(read, metadata):
    schema = pa.schema([("a", pa.int64()), ("b", pa.int64())], {b"pandas": metadata})
    table, _ = read(pa.table([[1], [2]], schema=schema))
    assert table.columns == (("a",) if b'"b"' in metadata else ("a", "b"))


def category(values, **more):
    return pd.DataFrame({"n": range(len(values)), "x": pd.Categorical(values, **more)})


def test_categories_of_text_are_categories(read):
    table, rows = read(
        category(["red", None, "blue", "red"], categories=["red", "green", "blue"]),
        types={"x": "categorical"},
    )
    assert table.values_of == {"x": ("blue", "red")}
    np.testing.assert_array_equal(rows[:, 1], [1, np.nan, 0, 1])
    assert read(category(["red", "blue"] * 3))[0].values_of == {"x": ("blue", "red")}


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ([3, 1, None, 3], [3, 1, np.nan, 3]),
        ([0.5, 1.5, 0.5], [0.5, 1.5, 0.5]),
        ([True, False, True], [1, 0, 1]),
        (["1.5", "NA", "2"], [1.5, np.nan, 2]),
        (["True", "False", ""], [1, 0, np.nan]),
    ],
)
def test_categories_of_numbers_are_numbers(read, values, numbers):
    table, rows = read(category(values))
    assert table.columns == ("n", "x")
    np.testing.assert_array_equal(rows[:, 1], numbers)


def test_numbers_are_categories_where_this_is_said(read):
    table, rows = read(
        pa.table({"x": [10, 9, None, 10], "y": [0.5, 1.0, 1.0, None]}),
        types={"x": "categorical", "y": "categorical"},
    )
    assert table.values_of == {"x": ("10", "9"), "y": ("0.5", "1")}
    np.testing.assert_array_equal(rows, [[0, 0], [1, 1], [np.nan, 1], [0, np.nan]])
    table, _ = read(pa.table({"x": [True, False]}), types={"x": "categorical"})
    assert table.values_of == {"x": ("False", "True")}


LISTS = {
    "lists": pa.array([[1.5, 2, 3], [4, 5, 6], None], pa.list_(pa.float32())),
    "large lists": pa.array([[1.5, 2, 3], [4, 5, 6], []], pa.large_list(pa.float64())),
    "lists of one size": pa.array([[1.5, 2, 3], [4, 5, 6], None], pa.list_(pa.float32(), 3)),
    "with nothing in them": pa.array([[1.5, 2, 3], [4, 5, 6], [None, None, None]]),
}


@pytest.mark.parametrize("column", LISTS.values(), ids=LISTS.keys())
def test_lists_of_one_length_are_features(read, column):
    table, rows = read(pa.table({"n": [1, 2, 3], "emb": column}))
    assert table.columns == ("n", "emb[0]", "emb[1]", "emb[2]")
    np.testing.assert_array_equal(rows, [[1, 1.5, 2, 3], [2, 4, 5, 6], [3, *[np.nan] * 3]])
    assert ("lists", "emb", 3) in [(remark.code, remark.column, remark.count) for remark in table.remarks]


def test_lists_of_truth_values_and_whole_numbers_are_features(read):
    table, rows = read(pa.table({"t": [[True, False], [False, None]], "w": [[1], [2]]}))
    assert table.columns == ("t[0]", "t[1]", "w[0]")
    np.testing.assert_array_equal(rows, [[1, 0, 1], [0, np.nan, 2]])


DIFFERING = pa.table({"n": [1, 2, 3, 4], "emb": [[1.0], [2.0], [3.0], [4.0, 5.0]]})


def test_lists_that_differ_in_length_are_no_features(read):
    with pytest.raises(InvalidError) as caught:
        read(DIFFERING, kinds={"emb": "tabular"})
    assert caught.value.code == "lists_differ"
    assert [(place.column, place.row) for place in caught.value.places] == [("emb", 4)]


@pytest.mark.parametrize(
    "options",
    [{"types": {"emb": "ignore"}}, {"exclude": ("emb",)}, {"exclude": ("e*",)}, {"known": {"n": None}}],
)
def test_lists_that_are_not_wanted_may_differ(read, options):
    table, rows = read(DIFFERING, **options)
    assert (table.columns, rows.tolist()) == (("n",), [[1], [2], [3], [4]])


def test_lists_are_chosen_by_their_column_or_their_places(read):
    lists = pa.table({"n": [1], "emb": [[1.0, 2.0]], "other": [[3.0]]})
    assert read(lists, include=("emb",))[0].columns == ("emb[0]", "emb[1]")
    assert read(lists, exclude=("emb[0]", "other"))[0].columns == ("n", "emb[1]")
    assert read(lists, known={"emb[1]": None})[1].tolist() == [[2]]
    with pytest.raises(InvalidError, match="no column"):
        read(lists, types={"absent": "ignore"})


def test_more_places_than_there_may_be_features_are_refused(read):
    with pytest.raises(InvalidError) as caught:
        read(pa.table({"emb": [[0.0] * 51]}))
    assert caught.value.code == "too_many_features"


def test_text_is_read_as_in_any_format(read):
    table, rows = read(
        pa.table({"x": ["1", " 2 ", "NA", "True"], "y": pa.array(["1,5", "2", "", None], pa.large_string())}),
        decimal=",",
    )
    np.testing.assert_array_equal(rows, [[1, 1.5], [2, 2], [np.nan, np.nan], [1, np.nan]])
    assert [remark.column for remark in table.remarks] == ["x"]


def test_times_are_left_out_unless_they_have_a_type(read):
    frame = pd.DataFrame({"n": [1, 2], "when": pd.to_datetime(["2026-01-31", "2026-02-01"])})
    assert "type datetime" in read(frame)[0].left_out[0].reason
    table, rows = read(frame, types={"when": "datetime"})
    assert (rows.tolist(), list(table.origins)) == ([[1, 0], [2, 86400]], ["when"])
    assert read(frame, types={"when": "key"})[0].keys["when"].to_pylist()[0].startswith("2026-01-31")
    with pytest.raises(InvalidError) as caught:
        read(frame, types={"when": "numeric"})
    assert caught.value.places[0].column == "when"


@pytest.mark.parametrize("kind", ["numeric", "categorical", "datetime", "key"])
def test_what_cannot_be_read_takes_no_type(read, kind):
    table = pa.table({"n": [1], "x": [{"y": 1}]})
    with pytest.raises(InvalidError) as caught:
        read(table, types={"x": kind})
    assert (caught.value.places[0].column, caught.value.places[0].field) == ("x", "types")
    assert read(table, types={"x": "ignore"})[0].columns == ("n",)


@pytest.mark.parametrize(
    "column", [pa.array([{"y": 1}]), pa.array([["y"]]), pa.array([0], pa.timestamp("s")), pa.array([b"\xff"])]
)
def test_a_known_feature_that_holds_something_else_is_named(read, column):
    for known in ({"x": None}, {"x": ("a", "b")}):
        if known["x"] and pa.types.is_timestamp(column.type):
            continue
        with pytest.raises(InvalidError) as caught:
            read(pa.table({"x": column}), known=known)
        assert caught.value.places[0].column == "x"


def test_spaces_around_names_are_taken_off_and_told(read):
    table, _ = read(pa.table({" a ": [1], "b": [2]}))
    assert table.columns == ("a", "b")
    assert "spaces_in_names" in [remark.code for remark in table.remarks]
    with pytest.raises(InvalidError, match="twice"):
        read(pa.table({" a ": [1], "a": [2]}))


def test_numbers_that_stand_for_missing_ones_match_by_value(read):
    _, rows = read(pa.table({"x": [-999, 1], "y": [-999.0, 0.5]}), na_values=(-999,))
    np.testing.assert_array_equal(rows, [[np.nan, np.nan], [1, 0.5]])


def test_names_with_points_are_whole_names(read):
    table, rows = read(pa.table({"a.b": [1], "a": [2], "c.d.e": [3]}), exclude=("a",))
    assert (table.columns, rows.tolist()) == (("a.b", "c.d.e"), [[1, 3]])


def test_a_stream_without_references_is_read_as_it_is(limits):
    table = read_arrow(as_stream(pa.table({"x": [1, 2, 3]})), ReadOptions(), limits)
    assert np.concatenate(list(table.blocks())).tolist() == [[1], [2], [3]]
