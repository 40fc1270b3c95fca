"""Compressed Arrow streams are measured before they are unpacked."""

import io

import numpy as np
import pyarrow as pa
import pytest

from app.problems import InvalidError, NotParseableError
from app.tables.columns.options import ReadOptions
from app.tables.open_table import collect_rows
from app.tables.readers import arrow_messages
from app.tables.readers.arrow_reader import read_arrow

BATCH = pa.record_batch([pa.array(np.zeros(1000)), pa.array([1] * 999 + [None])], names=["a", "b"])


def stream(compression, batch=BATCH):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(
        sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression=compression)
    ) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_compressed_stream_is_read_up_to_the_limit(limits, monkeypatch, compression):
    body = stream(compression)
    size = 1000 * 8 * 2 + 125  # and the bits that say what is missing
    monkeypatch.setattr(arrow_messages, "MAX_BATCH_BYTES", size + 10)
    assert collect_rows(read_arrow(io.BytesIO(body), ReadOptions(), limits), 1000).shape == (1000, 2)
    monkeypatch.setattr(arrow_messages, "MAX_BATCH_BYTES", size - 10)
    with pytest.raises(InvalidError) as caught:
        collect_rows(read_arrow(io.BytesIO(body), ReadOptions(), limits), 1000)
    assert caught.value.code == "too_large"


def test_a_small_stream_that_says_it_is_huge_is_not_unpacked(limits):
    body = stream("zstd")
    said = (8000).to_bytes(8, "little")
    assert said in body
    more = body.replace(said, (1 << 60).to_bytes(8, "little"))
    with pytest.raises(InvalidError, match="unpacks to"):
        collect_rows(read_arrow(io.BytesIO(more), ReadOptions(), limits), 1000)
    less = body.replace(said, (-2).to_bytes(8, "little", signed=True))
    with pytest.raises(NotParseableError, match="less than nothing"):
        collect_rows(read_arrow(io.BytesIO(less), ReadOptions(), limits), 1000)


def test_a_plain_stream_has_no_such_limit(limits, monkeypatch):
    monkeypatch.setattr(arrow_messages, "MAX_BATCH_BYTES", 1)
    assert collect_rows(read_arrow(io.BytesIO(stream(None)), ReadOptions(), limits), 1000).shape == (1000, 2)


def test_a_stream_of_something_else_is_refused(limits):
    whole = stream(None)
    schema_alone = whole[: whole.index(b"\xff\xff\xff\xff", 8)]
    with pytest.raises(NotParseableError, match="unexpected schema"):
        collect_rows(read_arrow(io.BytesIO(schema_alone + whole), ReadOptions(), limits), 1000)


def test_a_file_on_disk_is_read_where_it_is(limits, tmp_path):
    (tmp_path / "upload").write_bytes(stream("zstd"))
    with (tmp_path / "upload").open("rb") as file:
        assert collect_rows(read_arrow(file, ReadOptions(), limits), 1000).shape == (1000, 2)
    (tmp_path / "empty").write_bytes(b"")
    with (tmp_path / "empty").open("rb") as file, pytest.raises(NotParseableError):
        read_arrow(file, ReadOptions(), limits)
