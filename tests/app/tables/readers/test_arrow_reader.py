"""Arrow and Parquet: numbers of every type are read, damaged files refused."""

import io
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from app.problems import InvalidError, NotParseableError, TooLargeError
from app.tables.columns.options import ReadOptions
from app.tables.open_table import collect_rows
from app.tables.readers.arrow_reader import read_arrow, read_arrow_file, read_parquet
from app.tables.sandbox import confined
from app.tables.table import TableLimits


def as_arrow(table, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return io.BytesIO(sink.getvalue())


def as_file(table, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return io.BytesIO(sink.getvalue())


def as_parquet(table, **options):
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, **options)
    return io.BytesIO(sink.getvalue())


FORMATS = pytest.mark.parametrize(
    ("write", "read"),
    [(as_arrow, read_arrow), (as_file, read_arrow_file), (as_parquet, read_parquet)],
    ids=["arrow", "file", "parquet"],
)
NUMBERS = pa.table(
    {
        "int": pa.array([1, None, 3], pa.int64()),
        "small": pa.array([1, 2, 250], pa.uint8()),
        "float": pa.array([0.5, np.nan, None], pa.float32()),
        "bool": pa.array([True, None, False]),
        "decimal": pa.array([Decimal("1.25"), None, Decimal("-2.50")]),
        "half": pa.array(np.array([0.5, 1, 2], np.float16)),
        "empty": pa.nulls(3),
    }
)


@FORMATS
def test_every_kind_of_number_is_read_and_null_is_missing(write, read, limits):
    table = read(write(NUMBERS), ReadOptions(), limits)
    assert table.columns == ("int", "small", "float", "bool", "decimal", "half", "empty")
    expected = [
        [1, 1, 0.5, 1, 1.25, 0.5, np.nan],
        [np.nan, 2, np.nan, np.nan, np.nan, 1, np.nan],
        [3, 250, np.nan, 0, -2.5, 2, np.nan],
    ]
    np.testing.assert_array_equal(collect_rows(table, 10), expected)


@FORMATS
@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array([{"x": 1}]), "it holds struct<x: int64>, which is not read"),
        (pa.array([["x"]]), "it holds list<element: string>, which is not read"),
        (pa.array([b"x"]), "it holds binary, which is not read"),
        (pa.array([0], pa.timestamp("s")), "it holds dates or times"),
        (pa.array([0], pa.date32()), "it holds dates or times"),
        (pa.array([0], pa.time32("s")), "it holds dates or times"),
        (pa.array(["x"]), "it holds text with 1 different values"),
        (pa.array(["x"]).dictionary_encode(), "it holds text with 1 different values"),
    ],
)
def test_a_column_of_something_else_is_left_out_and_told(write, read, column, reason, limits):
    if write is as_arrow and pa.types.is_dictionary(column.type):
        read = confined.read_arrow
    table = read(write(pa.table({"a": [1], "b": column})), ReadOptions(), limits)
    assert table.columns == ("a",)
    (left_out,) = table.left_out
    assert left_out.name == "b"
    assert reason.replace("element", "item") in left_out.reason.replace("element", "item")
    assert ("left_out", "b") in [(remark.code, remark.column) for remark in table.remarks]
    assert collect_rows(table, 10).tolist() == [[1]]


@FORMATS
def test_a_duplicate_name_is_named(write, read, limits):
    with pytest.raises(InvalidError) as caught:
        read(write(pa.table([[1], [2]], names=["a", "a"])), ReadOptions(), limits)
    assert caught.value.code == "duplicate_column"


@FORMATS
def test_no_columns_are_refused(write, read, limits):
    with pytest.raises(InvalidError, match="no columns"):
        read(write(pa.table({})), ReadOptions(), limits)


@FORMATS
def test_no_rows_are_no_rows(write, read, limits):
    body = write(pa.table({"a": pa.array([], pa.float64()), "b": pa.array([], pa.string())}))
    assert collect_rows(read(body, ReadOptions(), limits), 10).shape == (0, 2)


@pytest.mark.parametrize("read", [read_arrow, read_arrow_file, read_parquet])
@pytest.mark.parametrize("body", [b"", b"PAR1", b"a,b\n1,2\n", b"\xff" * 100])
def test_something_else_is_not_parseable(read, body, limits):
    with pytest.raises(NotParseableError):
        read(io.BytesIO(body), ReadOptions(), limits)


def test_parquet_that_says_it_has_too_many_rows_is_refused_unread(limits):
    body = as_parquet(pa.table({"a": np.zeros(1001)}))
    with pytest.raises(InvalidError, match="1001 rows"):
        read_parquet(body, ReadOptions(), limits)


def test_parquet_that_unpacks_to_too_much_is_refused_unread(tmp_path):
    limits = TableLimits(10_000_000, 50, 1 << 20, 10**6, 10**4, 10**4, tmp_path)
    body = as_parquet(pa.table({"a": np.arange(1_000_000.0)}), compression="zstd")
    with pytest.raises(TooLargeError, match="unpacks"):
        read_parquet(body, ReadOptions(), limits)


def is_inconsistent(body):
    """Whether Arrow opens a stream whose buffers do not fit its rows."""
    try:
        batches = list(pa.ipc.open_stream(body))
    except (pa.ArrowException, OSError):
        return False
    try:
        for batch in batches:
            batch.validate(full=True)
    except pa.ArrowInvalid:
        return True
    return False


def test_a_stream_whose_buffers_do_not_fit_its_rows_is_refused(limits):
    whole = as_arrow(pa.table({"a": [1.0, None, 3.0], "b": [1, 2, 3]})).getvalue()
    damaged = [whole[:place] + b"\0" + whole[place + 1 :] for place in range(len(whole))]
    inconsistent = [body for body in damaged if is_inconsistent(body)]
    assert inconsistent
    for body in inconsistent:
        with pytest.raises(NotParseableError):
            collect_rows(read_arrow(io.BytesIO(body), ReadOptions(), limits), 1000)


def test_a_stream_that_begins_with_something_else_is_refused(limits):
    whole = as_arrow(pa.table({"a": [1.0]})).getvalue()
    messages = pa.ipc.MessageReader.open_stream(whole)
    messages.read_next_message()
    body = messages.read_next_message().serialize().to_pybytes()
    with pytest.raises(NotParseableError, match="unexpected record batch"):
        read_arrow(io.BytesIO(body), ReadOptions(), limits)


@FORMATS
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_are_refused_and_never_crash(write, read, data, tmp_path_factory):
    limits = TableLimits(1000, 50, 1 << 20, 10**6, 10**4, 10**4, tmp_path_factory.getbasetemp())
    body = bytearray(write(NUMBERS).getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))] if data.draw(st.booleans()) else body
    try:
        collect_rows(read(io.BytesIO(bytes(body)), ReadOptions(), limits), 1000)
    except (InvalidError, NotParseableError):
        return
