"""Uploads as people have them: text, dates, ids and missing words, through the API."""

import gzip
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

CSV = {"content-type": "text/csv"}
ROWS = 40
MIXED = "id,when,colour,a,b\n" + "".join(
    f"id{row},2026-01-{row % 28 + 1:02},{('red', 'green')[row % 2]},{row},{'NA' if row == 3 else row * 2}\n"
    for row in range(ROWS)
)


def upload(client, body=MIXED, headers=CSV, **params):
    return client.post("/v1/datasets", content=body, headers=headers, params=params)


def test_a_mixed_table_is_taken_and_says_what_each_column_is(client):
    document = upload(client).json()

    assert document["features"] == ["colour", "a", "b"]
    assert [(column["name"], column["type"]) for column in document["columns"]] == [
        ("colour", "categorical"),
        ("a", "numeric"),
        ("b", "numeric"),
    ]
    assert document["columns"][0]["values"] == ["green", "red"]
    assert {column["name"]: "type" in column["reason"] for column in document["left_out"]} == {
        "id": True,
        "when": True,
    }
    codes = {warning["code"] for warning in document["warnings"]}
    assert codes == {"left_out", "categorical", "missing_words", "missing_values"}


def test_a_dry_run_stores_nothing_and_shows_each_column(client):
    before = client.get("/v1/datasets").json()["items"]
    document = upload(client, dry_run="true", types='{"id":"key"}').json()

    assert "id" not in document
    assert client.get("/v1/datasets").json()["items"] == before
    colour, a, b, key = document["columns"]
    assert colour["histogram"] == {"counts": [20, 20], "edges": None}
    assert (sum(a["histogram"]["counts"]), b["missing"]) == (ROWS, 1)
    assert (key["name"], key["type"], key["family"]) == ("id", "key", None)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"types": "{"}, "types"),
        ({"types": '{"a":"number"}'}, "types"),
        ({"types": '{"nothing":"key"}'}, "types"),
        ({"include": '"a"'}, "include"),
        ({"na_values": "[null]"}, "na_values"),
        ({"delimiter": "ab"}, "delimiter"),
        ({"decimal": ";"}, "decimal"),
        ({"header": "no"}, "header"),
    ],
)
def test_a_parameter_of_another_form_is_named(client, params, field):
    answer = upload(client, **params)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_columns_that_are_no_numbers_are_named_all_at_once(client):
    body = "a,b,c\n1,2,3\n4,x,6\n7,8,y\n10,11,12\n"
    answer = upload(client, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_numeric")
    assert [(place["column"], place["row"]) for place in answer.json()["errors"]] == [("b", 2), ("c", 3)]
    assert "na_values" in answer.json()["detail"]


def test_columns_that_are_not_what_they_were_said_to_be_are_named_all_at_once(client):
    body = "when,then,a,b\n2026-01-31,soon,1,x\nlater,2026-01-31,2,1\n2026-01-31,2026-01-31,3,2\n"
    types = '{"when":"datetime","then":"datetime","b":"numeric"}'
    answer = upload(client, body, types=types)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_a_time")
    assert [(place["column"], place["row"]) for place in answer.json()["errors"]] == [
        ("when", 2),
        ("then", 1),
        ("b", 1),
    ]


def test_a_packed_body_is_the_same_table(client):
    plain, packed = upload(client), upload(client, gzip.compress(MIXED.encode()))
    said = upload(client, gzip.compress(MIXED.encode()), {**CSV, "content-encoding": "gzip"})
    for answer in (packed, said):
        assert answer.is_success
        assert answer.json()["columns"] == plain.json()["columns"]
    unpacked = upload(client, MIXED, {**CSV, "content-encoding": "gzip"})
    assert (unpacked.status_code, unpacked.json()["code"]) == (400, "not_parseable")
    damaged = upload(client, gzip.compress(MIXED.encode())[:-20])
    assert (damaged.status_code, damaged.json()["code"]) == (400, "not_parseable")


@pytest.mark.parametrize(
    ("content_type", "params"),
    [
        ("text/csv; header=absent", {}),
        ("text/csv;header=absent", {}),
        ("Text/CSV; charset=utf-8; Header=absent", {}),
        ('text/csv; header="absent"; charset=utf-8', {}),
        ("text/csv", {"header": "absent"}),
        ("text/csv; header=present", {"header": "absent"}),  # the query is said for this very table
    ],
)
def test_a_file_without_a_header_keeps_its_first_row(client, content_type, params):
    answer = upload(client, "1.5,2\n3,4\n5,7\n", {"content-type": content_type}, **params).json()
    assert (answer["rows"], answer["features"]) == (3, ["f0", "f1"])
    named = upload(client, "1.5,2\n3,4\n5,7\n", {"content-type": content_type}, **params, columns='["x","y"]')
    assert named.json()["features"] == ["x", "y"]


FRAME = pd.DataFrame({"a": [1.5, 2, 4] * 4, "b": [True, False, True] * 4})
FEATHER = {
    "compressed otherwise": (FRAME, {"compression": "zstd"}),
    "not compressed": (FRAME, {"compression": "uncompressed"}),
    "in small parts": (FRAME, {"chunksize": 2}),
    "of pandas' types for missing values": (FRAME.astype({"a": "Float64", "b": "boolean"}), {}),
    "of single floats": (FRAME.astype({"a": "float32"}), {}),
    "with categories": (FRAME.assign(c=pd.Categorical(["x", "y"] * 6)), {}),
    "with pandas' text": (FRAME.assign(c=pd.array(["x", "y"] * 6, "string")), {}),
    "with an index": (FRAME.set_axis(range(7, 19)).rename_axis("row").reset_index(), {}),
}


@pytest.mark.parametrize(("frame", "options"), FEATHER.values(), ids=FEATHER.keys())
def test_feather_files_of_pandas_are_read(client, frame, options):
    body = io.BytesIO()
    frame.to_feather(body, **options)
    answer = upload(client, body.getvalue(), {"content-type": "application/vnd.apache.arrow.file"}).json()
    assert answer["features"] == list(frame.columns)
    assert answer["rows"] == 12
    values = {column["name"]: column["values"] for column in answer["columns"]}
    assert values == {name: ["x", "y"] if name == "c" else None for name in frame.columns}


def test_every_form_of_arrow_is_read_alike(client):
    table = pa.table({"colour": ["red", "green"] * 20, "a": np.arange(40.0)})
    stream, file, other = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    feather.write_feather(table, file)
    parquet.write_table(table, other)
    bodies = {
        "application/vnd.apache.arrow.stream": stream,
        "application/vnd.apache.arrow.file": file,
        "application/vnd.apache.parquet": other,
    }
    documents = [
        upload(client, body.getvalue(), {"content-type": kind}).json() for kind, body in bodies.items()
    ]
    assert all(document["columns"] == documents[0]["columns"] for document in documents)
    assert documents[0]["columns"][0]["values"] == ["green", "red"]


def test_the_rows_of_a_mixed_table_come_back_as_they_were(client):
    dataset = upload(client).json()["id"]
    path = f"/v1/datasets/{dataset}/rows"

    csv = client.get(path, headers={"accept": "text/csv"}).text.splitlines()
    assert csv[:3] == ["colour,a,b", "red,0,0", "green,1,2"]
    assert csv[4].split(",")[::2] == ["green", ""]
    array = np.load(io.BytesIO(client.get(path, headers={"accept": "application/x-npy"}).content))
    assert array[:2].tolist() == [[1, 0, 0], [0, 1, 2]]


def test_keys_come_back_before_the_rows(client):
    dataset = upload(client, types='{"id":"key","when":"key"}').json()["id"]

    def rows(kind):
        return client.get(f"/v1/datasets/{dataset}/rows", headers={"accept": kind})

    document = rows("application/json").json()
    assert document["columns"] == ["colour", "a", "b"]
    assert document["rows"][:2] == [["red", 0, 0], ["green", 1, 2]]
    assert document["rows"][3] == ["green", 3, None]
    assert {name: cells[:2] for name, cells in document["keys"].items()} == {
        "id": ["id0", "id1"],
        "when": ["2026-01-01", "2026-01-02"],
    }
    csv = rows("text/csv").text.splitlines()
    assert csv[:2] == ["id,when,colour,a,b", "id0,2026-01-01,red,0,0"]
    stream = pa.ipc.open_stream(rows("application/vnd.apache.arrow.stream").content).read_all()
    file = parquet.read_table(io.BytesIO(rows("application/vnd.apache.parquet").content))
    for table in (stream, file):
        assert table.column_names == ["id", "when", "colour", "a", "b"]
        assert table["id"].to_pylist() == [f"id{row}" for row in range(ROWS)]
    again = upload(
        client,
        rows("application/vnd.apache.parquet").content,
        {"content-type": "application/vnd.apache.parquet"},
        types='{"id":"key","when":"key"}',
    ).json()
    assert again["columns"] == client.get(f"/v1/datasets/{dataset}").json()["columns"]


def test_numbers_that_need_it_are_kept_as_float64(client):
    body = "day,x\n" + "".join(f"{2460310.5 + row / 10},{row}\n" for row in range(30))
    dataset = upload(client, body).json()
    path = f"/v1/datasets/{dataset['id']}/rows"

    array = np.load(io.BytesIO(client.get(path, headers={"accept": "application/x-npy"}).content))
    assert array.dtype == np.float64
    assert np.unique(array[:, 0]).size == 30
    assert dataset["warnings"] == []


def test_keys_come_back_beside_the_codes(client, model_id):
    body = "who,a,b,c\nx,1,2,3\n,4,5,6\n"
    path = f"/v1/models/{model_id}/encodings"
    answer = client.post(path, content=body, headers=CSV, params={"keys": '["who"]'})
    assert answer.json()["keys"] == {"who": ["x", ""]}

    csv = client.post(path, content=body, headers={**CSV, "accept": "text/csv"}, params={"keys": '["who"]'})
    assert csv.text.startswith("who,")
    unknown = client.post(path, content=body, headers=CSV, params={"keys": '["other"]'})
    assert unknown.status_code == 422


def test_what_a_model_does_not_know_is_left_unread(client, model_id):
    body = "sample,when,a,b,c\nS1,2026-01-01,1,2,3\nS2,soon,4,5,6\n"
    answer = client.post(f"/v1/models/{model_id}/encodings", content=body, headers=CSV)
    assert answer.json()["status"] == ["ok", "ok"]


def test_bare_numbers_that_begin_as_a_gzip_file_are_numbers(client, model_id):
    body = b"\x1f\x8b\x00\x40" + np.array([2, 3], "<f4").tobytes()
    path, kind = f"/v1/models/{model_id}/encodings", {"content-type": "application/octet-stream"}
    answer = client.post(path, content=body, headers=kind, params={"columns": "[]"})  # not the fast path
    assert answer.json()["status"] == ["ok"]
