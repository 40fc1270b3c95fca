import io

import numpy as np
import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.formats import ARRAY_FORMATS, Format
from app.tables.stream_rows import PART_BYTES, Rows, cut, rows_per_part, stream_rows

WIDTH, PARTS = 1000, 6
STEP = rows_per_part(WIDTH)
NAMES = [f"c{index}" for index in range(WIDTH)]


class Source:
    """Rows that are made when they are asked for."""

    def __init__(self):
        self.made = 0

    def parts(self):
        for _ in range(PARTS):
            self.made += 1
            yield np.random.default_rng(self.made).normal(size=(STEP, WIDTH)).astype(np.float32)


def read(file_format, body):
    """The numbers in a file, and the texts beside them."""
    if file_format is Format.JSON:
        document = orjson.loads(body)
        return np.array(document["rows"], np.float64), document.get("features")
    if file_format is Format.NPY:
        return np.load(io.BytesIO(body)), None
    if file_format is Format.CSV:
        lines = [line.split(",") for line in body.decode().splitlines()]
        table = {name: [line[index] for line in lines[1:]] for index, name in enumerate(lines[0])}
    else:
        reader = pa.ipc.open_stream(body) if file_format is Format.ARROW else None
        table = (reader.read_all() if reader else parquet.read_table(io.BytesIO(body))).to_pydict()
    texts = table.pop("who", None)
    numbers = [
        [float("nan") if cell in ("", None) else float(cell) for cell in column] for column in table.values()
    ]
    return np.array(numbers).T, texts


@pytest.mark.parametrize("file_format", ARRAY_FORMATS)
def test_rows_are_written_while_they_are_made_a_part_at_a_time(file_format):
    source = Source()
    pieces = stream_rows(Rows(NAMES, PARTS * STEP, source.parts()), file_format)
    seen, largest = set(), 0
    for piece in pieces:
        seen.add(source.made)
        largest = max(largest, len(piece))
    assert seen >= set(range(1, PARTS + 1))
    assert largest < 6 * PART_BYTES  # a number as text takes more than four bytes


@pytest.mark.parametrize("file_format", ARRAY_FORMATS)
def test_what_was_written_in_parts_is_one_table(file_format, monkeypatch):
    monkeypatch.setattr("app.tables.stream_rows.PART_BYTES", 16)
    values = np.array([[1, 2], [np.nan, 4], [5, 6.5]], np.float32)
    rows = Rows(
        ["a", "b"], 3, cut(values, 2), head={"features": ["x", "y", "z"]}, keys={"who": ["x", "y", "z"]}
    )
    numbers, texts = read(file_format, b"".join(stream_rows(rows, file_format)))
    np.testing.assert_array_equal(numbers, values)
    assert texts == (None if file_format is Format.NPY else ["x", "y", "z"])


@pytest.mark.parametrize("file_format", ARRAY_FORMATS)
def test_rows_without_columns_can_be_written(file_format):
    empty = Rows([], 2, cut(np.empty((2, 0), np.float32), 0), keys={"who": ["x", "y"]})
    assert b"".join(stream_rows(empty, file_format))
