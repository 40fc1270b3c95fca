"""Whatever bytes come, with whatever is said of them: they are read, or refused with an error of the API."""

import io

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import feather, parquet

from app.formats import Format
from app.problems import InvalidError, NotParseableError, TooLargeError
from app.tables.columns.options import DATE_ORDERS, KINDS, ReadOptions
from app.tables.open_table import open_table, read_blocks
from app.tables.readers.arrow_reader import read_arrow, read_arrow_file, read_parquet, read_referring_arrow
from app.tables.readers.csv_reader import read_csv
from app.tables.readers.json_reader import read_json
from app.tables.table import TableLimits

NAMES = st.sampled_from(
    ["a", "b", "c", "d", "e[0]", "e", "Unnamed: 0", "f0", "f1", "none", "*", "[a-c]", "?"]
)
NAMED = st.lists(NAMES, max_size=4).map(tuple)
OPTIONS = st.builds(
    ReadOptions,
    types=st.dictionaries(NAMES, st.sampled_from(KINDS), max_size=3),
    include=st.none() | NAMED,
    exclude=NAMED,
    na_values=st.lists(st.sampled_from(["-", "x", "1", -999, 1, 0.5, 1e300]), max_size=3).map(tuple),
    delimiter=st.sampled_from([",", ";", "\t", "|", " ", ":", ".", "-", "'", "\\"]),
    decimal=st.sampled_from([".", ","]),
    date_order=st.sampled_from(DATE_ORDERS),
    has_header=st.booleans(),
    columns=st.none() | NAMED,
    known=st.none()
    | st.dictionaries(NAMES, st.none() | st.lists(st.sampled_from(["red", "1", ""]), unique=True).map(tuple)),
    origins=st.dictionaries(
        NAMES, st.sampled_from(["2026-01-31T00:00:00Z", "12:30:00", "0001-01-01T00:00:00"])
    ),
)
FEW_OPTIONS = st.just(ReadOptions()) | OPTIONS
TABLE = pa.table(
    {
        "a": pa.array([1, None, 3], pa.int64()),
        "b": ["red", "blue", None],
        "c": pa.array([0, 1, 2], pa.timestamp("ms", "UTC")),
        "d": pa.array(["x", None, "y"]).dictionary_encode(),
        "e": [[1.5, 2.5], [3.5, 4.5], None],
        "f": pa.array([1.5, np.nan, None], pa.float32()),
        "g": pa.array([b"\xff", b"", None]),
        "h": [{"x": 1}, None, {"x": 2}],
        "i": pa.array([0, None, 5], pa.duration("us")),
        "none": pa.array([-(10**15), 0, 10**15], pa.timestamp("s")),
        "f0": pa.array([1, None, 86_399], pa.time32("s")),
        "f1": ["12:30", "31/12/2020", "2026-01-31 7:05:00.25 +0100"],
    }
)
PLAIN = TABLE.drop_columns(["d"])


def as_stream(table, compression=None):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(
        sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)
    ) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def written(write):
    body = io.BytesIO()
    write(body)
    return body.getvalue()


def read_array(file_format):
    return lambda file, options, limits: open_table(file, file_format, options, limits)


CSV_TEXT = "a,b,c,d\n1,red,2026-01-31,True\n2.5,blue,NA,False\n1'234,red,31/01/2026,True\n"
WHOLE = {
    "csv": (read_csv, CSV_TEXT.encode()),
    "csv with a mark": (read_csv, f"\ufeffsep=;\r\n{CSV_TEXT.replace(',', ';')}".encode()),
    "json": (read_json, orjson.dumps({"columns": ["a", "b"], "rows": [[1, "x"], [2.5, None], [True, ""]]})),
    "json of numbers": (read_json, b'{"rows": [[1, 2], [3, 4e5]]}'),
    "stream": (read_arrow, as_stream(PLAIN)),
    "compressed stream": (read_arrow, as_stream(PLAIN, "zstd")),
    "stream with a dictionary": (read_referring_arrow, as_stream(TABLE)),
    "feather": (read_arrow_file, written(lambda body: feather.write_feather(TABLE, body, compression="lz4"))),
    "plain feather": (
        read_arrow_file,
        written(lambda body: feather.write_feather(TABLE, body, compression="uncompressed")),
    ),
    "parquet": (read_parquet, written(lambda body: parquet.write_table(TABLE, body))),
    "npy": (read_array(Format.NPY), written(lambda body: np.save(body, np.ones((3, 2), "f2")))),
    "npz": (
        read_array(Format.NPZ),
        written(lambda body: np.savez(body, a=np.ones((3, 2)), b=np.ones(3, "?"))),
    ),
    "npz of series and grids": (
        read_array(Format.NPZ),
        written(
            lambda body: np.savez(
                body,
                **{"s": np.ones((2, 3, 1)), "s.lengths": [1, 3], "g": np.ones((2, 1, 2, 2))},
                **{"t.values": np.ones((3, 2)), "t.offsets": [0, 0, 3]},
            )
        ),
    ),
}


def read_through(read, body, options, limits):
    """Read every row; nothing but an error of the API may come out."""
    try:
        table = read(io.BytesIO(body), options, limits)
        table, rows = read_blocks(table, lambda table: sum(len(block) for block in table.blocks()))
    except (InvalidError, NotParseableError, TooLargeError):
        return
    assert len(set(table.columns)) == len(table.columns)
    for family in table.channels.values():
        assert sum(len(block) for block in family.blocks()) == family.stored_shape[0]
    assert all(len(cells) == rows or not table.columns for cells in table.keys.values())


@pytest.fixture(scope="module")
def bounds(tmp_path_factory):
    return TableLimits(1000, 50, 1 << 20, 10**6, 10**4, 10**4, tmp_path_factory.mktemp("scratch"))


@pytest.mark.parametrize(("read", "body"), WHOLE.values(), ids=WHOLE.keys())
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_files_are_read_or_refused(read, body, data, bounds):
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged
    read_through(read, bytes(damaged), data.draw(FEW_OPTIONS), bounds)


@pytest.mark.parametrize(("read", "body"), WHOLE.values(), ids=WHOLE.keys())
@settings(max_examples=60, deadline=None)
@given(options=OPTIONS)
def test_whatever_is_said_of_a_sound_file_it_is_read_or_refused(read, body, options, bounds):
    read_through(read, body, options, bounds)


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(st.sampled_from(list("ab1,;.\"\n\r- e\x00\u00e9\t'|:=")), max_size=60),
    start=st.sampled_from(
        ["", "\ufeff", "sep=;\n", "\ufeffsep=,\r\n", "a,b\n", "a;b\n", ",a\n", "sep=\x00\n"]
    ),
    options=FEW_OPTIONS,
)
def test_any_text_is_read_or_refused(text, start, options, bounds):
    read_through(read_csv, (start + text).encode(), options, bounds)


@pytest.mark.parametrize(
    "read", dict.fromkeys(read for read, _ in WHOLE.values() if read.__name__ != "<lambda>")
)
@settings(max_examples=40, deadline=None)
@given(body=st.binary(max_size=80), options=FEW_OPTIONS)
def test_any_bytes_are_read_or_refused(read, body, options, bounds):
    read_through(read, body, options, bounds)


CELLS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.lists(CELLS | st.lists(CELLS, max_size=2), min_size=1, max_size=3), max_size=4)
    | st.lists(st.tuples(CELLS, CELLS).map(list), min_size=1, max_size=5),
    columns=st.none() | st.lists(st.text(max_size=3), max_size=3),
    options=FEW_OPTIONS,
)
def test_any_json_is_read_or_refused(rows, columns, options, bounds):
    document = {"rows": rows} | ({} if columns is None else {"columns": columns})
    body = orjson.dumps(document, default=lambda _: None)
    read_through(read_json, body, options, bounds)
