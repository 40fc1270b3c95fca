"""Parquet and HDF5 are read in a child that has limits, no secrets, and leaves nothing behind."""

import io
import resource
import struct
import sys
from dataclasses import asdict, replace
from pathlib import Path

import h5py
import numpy as np
import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.problems import InvalidError, NotParseableError, TooLargeError, UnavailableError
from app.tables.columns.options import ReadOptions
from app.tables.open_table import collect_rows
from app.tables.sandbox import child, confined


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def as_parquet(table, **options):
    body = io.BytesIO()
    parquet.write_table(table, body, **options)
    return body


TABLE = pa.table({"a": [1.5, None, 3.0], "b": pa.array([1, 2, 1 << 40], pa.int64())})


@pytest.mark.parametrize("is_on_disk", [False, True])
def test_a_parquet_file_is_read_wherever_it_is(limits, tmp_path, is_on_disk):
    body = as_parquet(TABLE)
    if is_on_disk:
        (tmp_path / "upload").write_bytes(body.getvalue())
        body = (tmp_path / "upload").open("rb")
    table = confined.read_parquet(body, ReadOptions(), limits)
    assert (table.columns, table.has_names) == (("a", "b"), True)
    np.testing.assert_array_equal(collect_rows(table, 10), [[1.5, 1], [np.nan, 2], [3, 1 << 40]])
    body.close()
    assert [path.name for path in tmp_path.iterdir()] == (["upload"] if is_on_disk else [])


def test_a_refusal_of_the_child_comes_out_whole(limits):
    with pytest.raises(InvalidError) as caught:
        confined.read_parquet(as_parquet(pa.table({"a": ["1", "x"], "b": ["y", "2"]})), ReadOptions(), limits)
    assert caught.value.code == "not_numeric"
    assert [(place.column, place.row) for place in caught.value.places] == [("a", 2), ("b", 1)]


@pytest.mark.parametrize("body", [b"", b"PAR1", b"PAR1" + b"\x00" * 100 + b"PAR1", b"not parquet"])
def test_what_is_no_parquet_file_is_refused(limits, body):
    with pytest.raises(NotParseableError):
        confined.read_parquet(io.BytesIO(body), ReadOptions(), limits)


def as_stream(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return io.BytesIO(sink.getvalue())


def test_a_stream_with_categories_is_read_with_its_keys(limits):
    table = pa.table(
        {
            "who": pa.array(["Zo\u00eb", None, "", "a,b"]),
            "colour": pa.array(["red", None, "blue", "red"]).dictionary_encode(),
            "size": pa.array([2, 1, 2, None]).dictionary_encode(),
            "day": pa.array([1, 2, 3, 4], pa.date32()),
        }
    )
    options = ReadOptions(types={"who": "key", "colour": "categorical", "day": "datetime"})
    read = confined.read_arrow(as_stream(table), options, limits)
    assert (read.columns, list(read.origins)) == (("colour", "size", "day"), ["day"])
    assert read.keys["who"].to_pylist() == ["Zo\u00eb", None, "", "a,b"]
    assert read.values_of == {"colour": ("blue", "red")}
    day = 86_400
    np.testing.assert_array_equal(
        collect_rows(read, 10), [[1, 2, 0], [np.nan, 1, day], [0, 2, 2 * day], [1, np.nan, 3 * day]]
    )


@pytest.mark.parametrize("kind", ["dictionary", "view"])
def test_few_bytes_that_stand_for_very_many_do_no_harm(limits, kind):
    text = pa.array(["x" * (8 << 20)])
    view = struct.pack("<i4sii", 8 << 20, b"xxxx", 0, 0)  # length, beginning, buffer, offset
    column = (
        pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), text)
        if kind == "dictionary"
        else pa.Array.from_buffers(
            pa.string_view(), 1000, [None, pa.py_buffer(view * 1000), text.buffers()[2]]
        )
    )
    table = pa.table({"n": range(1000), "x": column})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    body = as_stream(table)
    with pytest.raises(NotParseableError):
        confined.read_arrow(body, ReadOptions(), limits)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


@pytest.mark.parametrize("read", [confined.read_arrow, confined.read_arrow_file, confined.read_hdf5])
def test_bytes_that_are_no_such_file_are_refused(limits, read):
    for body in (b"", b"ARROW1\0\0" + b"\xff" * 100, b"\x89HDF\r\n\x1a\n" + b"\x00" * 200):
        with pytest.raises(NotParseableError):
            read(io.BytesIO(body), ReadOptions(), limits)


def test_an_array_that_grows_too_large_is_refused_by_the_child_before_it_is_there(limits, tmp_path):
    with h5py.File(tmp_path / "zeros.h5", "w") as file:
        file.create_dataset("a", (300_000, 1), "u1", compression="gzip", chunks=(1000, 1))
        file.create_dataset("b", (300_000, 1), "u1", compression="gzip", chunks=(1000, 1))
    tight = replace(limits, max_expanded_bytes=500_000)
    with (tmp_path / "zeros.h5").open("rb") as file, pytest.raises(TooLargeError) as caught:
        confined.read_hdf5(file, ReadOptions(), tight)
    assert caught.value.code == "expands_too_much"


def test_a_table_without_rows_has_its_columns(limits):
    table = confined.read_parquet(as_parquet(TABLE.slice(0, 0)), ReadOptions(), limits)
    assert table.columns == ("a", "b")
    assert collect_rows(table, 10).shape == (0, 2)


def test_a_thousand_arrays_take_no_descriptor_each(limits, tmp_path):
    path = tmp_path / "upload.h5"
    with h5py.File(path, "w") as file:
        for number in range(40):
            file[f"a{number:02}"] = np.full((3, 1), number, np.uint8)
    before = open_descriptors()
    with path.open("rb") as file:
        table = confined.read_hdf5(file, ReadOptions(), limits)
        assert open_descriptors() <= before + 2
    np.testing.assert_array_equal(collect_rows(table, 10)[1], np.arange(40))


def test_a_chunk_that_cannot_be_unpacked_is_the_files_fault(limits, tmp_path):
    path = tmp_path / "upload.h5"
    with h5py.File(path, "w") as file:
        array = file.create_dataset("a", (10, 1), "u1", chunks=(10, 1), compression="gzip")
        array.id.write_direct_chunk((0, 0), b"not deflated")
    with path.open("rb") as file, pytest.raises(NotParseableError):
        confined.read_hdf5(file, ReadOptions(), limits)
    assert [left.name for left in tmp_path.iterdir()] == ["upload.h5"]


def test_a_full_disk_is_no_fault_of_the_file(limits, monkeypatch, capsys):
    path = limits.scratch_dir / "upload"
    path.write_bytes(as_parquet(TABLE).getvalue())
    command = ["child", "parquet", str(path), "/dev/full", orjson.dumps(asdict(limits), default=str).decode()]
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.setattr(sys, "stdin", io.StringIO(ReadOptions().dump()))
    monkeypatch.setattr(child.resource, "setrlimit", lambda *_: None)  # they would be this process's
    child.main()
    assert '"errno": 28' in capsys.readouterr().out


def test_the_child_knows_no_settings(monkeypatch):
    monkeypatch.setenv("CATVQ_DATABASE_URL", "hidden")
    command = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    told = confined._run(command, "parquet", ReadOptions())
    assert "PATH" in told
    assert not [name for name in told if name.startswith("CATVQ_")]


def test_when_all_places_are_taken_one_is_told_to_come_back(limits, monkeypatch):
    monkeypatch.setattr(confined, "WAIT_S", 0.01)
    for _ in range(confined.MAX_CHILDREN):
        assert confined._room.acquire(blocking=False)
    try:
        with pytest.raises(UnavailableError):
            confined.read_parquet(as_parquet(TABLE), ReadOptions(), limits)
    finally:
        for _ in range(confined.MAX_CHILDREN):
            confined._room.release()
    assert confined.read_parquet(as_parquet(TABLE), ReadOptions(), limits).columns == ("a", "b")
