import csv
import io
import json
import zipfile
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from catvq_client.errors import CatvqError
from catvq_client.tables.bodies import CSV, NPY, NPZ, families_param, table_body
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays


def read(body):
    content = b"".join(body.chunks())
    assert body.size_bytes in {None, len(content)}
    assert b"".join(body.chunks()) == content, "a refused request is sent again"
    return content


def load(body):
    return np.load(io.BytesIO(read(body)), allow_pickle=False)


@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.bool_]),
        st.tuples(st.integers(0, 9), st.integers(1, 4)),
    )
)
def test_an_array_is_sent_as_npy_of_its_own_type(values):
    body = table_body(values)
    assert body.content_type == NPY
    sent = load(body)
    assert sent.dtype == values.dtype
    np.testing.assert_array_equal(sent, values)


def test_what_a_mask_hides_is_missing():
    values = np.ma.masked_equal(np.array([[1, -9], [2, 3]]), -9)
    np.testing.assert_array_equal(load(table_body(values)), [[1, np.nan], [2, 3]])


@pytest.mark.parametrize(
    "values",
    [np.array([[1j]]), np.array([["00123"]]), np.array([["2026-01-01"]], "datetime64[D]"), np.array([[{}]])],
)
def test_arrays_of_anything_but_real_numbers_are_refused(values):
    with pytest.raises(CatvqError, match="needed real numbers"):
        table_body(values)


def read_arrow(body):
    assert body.content_type == "application/vnd.apache.arrow.stream"
    return pa.ipc.open_stream(read(body)).read_all()


def test_frames_of_any_columns_are_sent_as_arrow():
    columns = {"a": [1.5, None], "who": ["x", None], "when": [datetime(2026, 1, 1, tzinfo=UTC), None]}
    for frame in (pd.DataFrame(columns), pa.table(columns)):
        table = read_arrow(table_body(frame))
        assert table.column_names == list(columns)
        assert table.column("who").to_pylist() == ["x", None]


def test_one_list_for_each_column_is_sent_as_csv():
    body = table_body({"a": [1.5, None, float("nan")], "=b": ["x", 'a "b", c', ""]})
    assert body.content_type == CSV
    assert read(body) == b'a,\'=b\n1.5,x\n,"a ""b"", c"\n,\n'
    with pytest.raises(CatvqError, match="differ in length"):
        table_body({"a": [1], "b": [1, 2]})


def test_the_labels_of_a_labelled_array_are_its_names():
    labelled = np.zeros((1, 2)).view(Labelled)
    labelled.dims, labelled.coords = ("row", "feature"), {"feature": ["u", "v"]}
    assert json.loads(table_body(labelled).params["columns"]) == ["u", "v"]


class Labelled(np.ndarray):
    """As xarray's arrays are."""


def test_a_large_array_is_sent_in_pieces_without_a_copy_of_the_whole():
    values = np.arange(3_000_000, dtype=np.float64).reshape(-1, 3)[:, ::-1]
    pieces = list(table_body(values).chunks())
    assert max(map(len, pieces)) <= 1 << 20
    np.testing.assert_array_equal(np.load(io.BytesIO(b"".join(pieces))), values)


def test_names_of_columns_travel_in_the_url():
    body = table_body(np.zeros((2, 2)), ["größe", "b,c"])
    assert json.loads(body.params["columns"]) == ["größe", "b,c"]


def test_a_data_frame_brings_its_names_and_its_missing_values():
    frame = pd.DataFrame({"a": [1.0, np.nan], 7: pd.array([1, None], dtype="Int64")})
    body = table_body(frame)
    assert json.loads(body.params["columns"]) == ["a", "7"]
    np.testing.assert_array_equal(load(body), np.array([[1, 1], [np.nan, np.nan]], np.float32))


def test_too_many_names_for_a_url_travel_in_a_csv_that_loses_nothing():
    names = [f"a long name, number {index}" for index in range(400)]
    values = np.random.default_rng(0).normal(size=(3, 400)).astype(np.float32)
    values[1, 7] = np.nan
    body = table_body(values, names)
    assert body.content_type == CSV
    assert "columns" not in body.params
    header, *rows = csv.reader(io.StringIO(read(body).decode()))
    assert header == names
    parsed = np.array([[float(cell or "nan") for cell in row] for row in rows], np.float32)
    np.testing.assert_array_equal(parsed, values)


def test_one_array_for_each_family_is_sent_as_npz():
    families = {"pixels": np.ones((2, 3)), "file": np.zeros((2, 1), np.int8)}
    body = table_body(families)
    assert body.content_type == NPZ
    archive = load(body)
    assert archive.files == ["pixels", "file"]
    np.testing.assert_array_equal(archive["pixels"], families["pixels"])


def test_the_same_families_are_the_same_bytes_at_any_time():
    content = read(table_body({"pixels": np.ones((2, 3))}))
    (member,) = zipfile.ZipFile(io.BytesIO(content)).infolist()
    assert member.date_time == (1980, 1, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("t.csv", CSV),
        ("t.NPY", NPY),
        ("t.parquet", "application/vnd.apache.parquet"),
        ("t.h5", "application/x-hdf5"),
        ("t.csv.gz", CSV),
        ("t.tsv", CSV),
        ("t.feather", "application/vnd.apache.arrow.file"),
        ("t.arrow", "application/vnd.apache.arrow.stream"),
    ],
)
def test_a_file_is_sent_as_it_is(tmp_path, name, media_type):
    path = tmp_path / name
    path.write_bytes(b"x" * 3_000_000)
    body = table_body(path)
    assert (body.content_type, body.size_bytes) == (media_type, 3_000_000)
    assert max(map(len, body.chunks())) <= 1 << 20
    assert read(table_body(str(path))) == path.read_bytes()


@pytest.mark.parametrize(
    ("table", "needle"),
    [
        (np.zeros(3), "1 dimension"),
        ({"pixels": np.zeros((1, 1, 1, 1, 1))}, "family pixels"),
        (pd.DataFrame({"a": ["text"], 7: [1]}), "other than numbers"),
        ("table.xlsx", "openpyxl"),
        ("table.doc", "unknown kind of file"),
    ],
)
def test_a_table_without_a_form_that_the_service_reads_is_refused(table, needle):
    with pytest.raises(CatvqError, match=needle):
        table_body(table)


def test_a_wrong_number_of_names_is_refused():
    with pytest.raises(CatvqError, match="1 names were given for 2 columns"):
        table_body(np.zeros((1, 2)), ["a"])


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(CatvqError, match=r"absent\.csv: No such file"):
        table_body(tmp_path / "absent.csv")


def test_families_are_a_rule_or_json():
    assert families_param("prefix:_") == "prefix:_"
    assert json.loads(families_param({"a": ("x", "y")})) == {"a": ["x", "y"]}
    with pytest.raises(CatvqError, match="too long for a URL"):
        families_param({"a": [f"feature {index}" for index in range(1000)]})
