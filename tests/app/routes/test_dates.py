"""Dates go in as dates and come out as dates, counted in seconds between."""

import io

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.formats import Format

CSV = {"content-type": "text/csv"}
ROWS = 40
VISITS = "visit,at,x\n" + "".join(f"{row % 28 + 1:02}/02/2026,7:{row:02},{row}\n" for row in range(ROWS))
TYPES = '{"visit":"datetime","at":"datetime"}'


@pytest.fixture(scope="module")
def visits(client):
    answer = client.post(
        "/v1/datasets", content=VISITS, headers=CSV, params={"types": TYPES, "date_order": "day"}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def dated_model(api):
    """Of a date, a time of day and a number; 2 seconds more or less are another code."""
    return api.model(origins=["2026-02-01T00:00:00Z", "07:00:00", None])


def test_a_dataset_says_from_when_its_times_count(visits):
    assert {column["name"]: (column["type"], column["origin"]) for column in visits["columns"]} == {
        "visit": ("datetime", "2026-02-01T00:00:00"),
        "at": ("datetime", "07:00:00"),
        "x": ("numeric", None),
    }


def test_rows_give_dates_back_but_in_npy(client, visits):
    def rows(kind):
        answer = client.get(f"/v1/datasets/{visits['id']}/rows", headers={"accept": kind.value})
        assert answer.status_code == 200
        return answer.content

    lines = rows(Format.CSV).decode().splitlines()
    assert lines[:3] == ["visit,at,x", "2026-02-01T00:00:00,07:00:00,0", "2026-02-02T00:00:00,07:01:00,1"]
    assert np.load(io.BytesIO(rows(Format.NPY)))[1].tolist() == [86_400, 60, 1]
    parts = (
        pa.ipc.open_stream(rows(Format.ARROW)).read_all(),
        parquet.read_table(io.BytesIO(rows(Format.PARQUET))),
    )
    for table in parts:
        assert table.schema.field("visit").type == pa.timestamp("us")
        assert table.schema.field("at").type == pa.time64("us")
        assert table["visit"][1].as_py().isoformat() == "2026-02-02T00:00:00"


def test_a_column_with_the_day_first_is_left_out_with_the_way_to_have_it(client):
    document = client.post("/v1/datasets", content=VISITS, headers=CSV, params={"dry_run": "true"}).json()
    reasons = {column["name"]: column["reason"] for column in document["left_out"]}
    assert "date_order=day" in reasons["visit"]
    assert "date_order" not in reasons["at"]
    answer = client.post("/v1/datasets", content=VISITS, headers=CSV, params={"types": TYPES})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_a_time")
    assert "date_order=day" in answer.json()["detail"]
    assert answer.json()["errors"][0]["row"] == 1


def test_seconds_of_many_days_are_kept_exactly(client):
    body = "t,x\n" + "".join(f"20{10 + row}-03-{row + 1:02}T11:22:33.123456,{row}\n" for row in range(20))
    dataset = client.post("/v1/datasets", content=body, headers=CSV, params={"types": '{"t":"datetime"}'})
    path = f"/v1/datasets/{dataset.json()['id']}/rows"
    assert client.get(path, headers={"accept": "text/csv"}).text == body


def bodies():
    rows = [["2026-02-01T00:00:02Z", "07:00:04", 4], [None, "7:00", 2]]
    table = pa.table(dict(zip("abc", zip(*rows, strict=True), strict=True)))
    typed = table.set_column(0, "a", pa.array([1_769_904_002, None], pa.timestamp("s", "UTC")))
    typed = typed.set_column(1, "b", pa.array([25_204, 25_200], pa.time32("s")))
    stream, file = io.BytesIO(), io.BytesIO()
    with pa.ipc.new_stream(stream, typed.schema) as writer:
        writer.write_table(typed)
    parquet.write_table(typed, file)
    yield "text/csv", "a,b,c\n2026-02-01T00:00:02Z,07:00:04,4\n,7:00,2\n"
    yield "text/csv", "a,b,c\n2026-02-01 01:00:02 +01:00,4,4\n,0,2\n"
    yield Format.ARROW.value, stream.getvalue()
    yield Format.PARQUET.value, file.getvalue()


@pytest.mark.parametrize(("kind", "body"), list(bodies()))
def test_rows_to_encode_hold_dates_in_every_format(client, dated_model, kind, body):
    path = f"/v1/models/{dated_model}/encodings"
    seconds = client.post(path, json={"rows": [[2, 4, 4], [None, 0, 2]]}).json()
    answer = client.post(path, content=body, headers={"content-type": kind})
    assert answer.json() == seconds
    assert seconds["status"] == ["ok", "imputed"]


def test_dates_in_json_are_text(client, dated_model):
    path = f"/v1/models/{dated_model}/encodings"
    seconds = client.post(path, json={"rows": [[2, 4, 4]]}).json()
    for rows, columns in (
        ([["2026-02-01T00:00:02", "07:00:04", 4]], None),
        ([[4, "2026-02-01T00:00:02", 4]], ["b", "a", "c"]),
    ):
        body = {"rows": rows} if columns is None else {"rows": rows, "columns": columns}
        assert client.post(path, json=body).json() == seconds
    tensors = [
        {"name": "a", "datatype": "BYTES", "shape": [1], "data": ["2026-02-01 00:00:02"]},
        {"name": "b", "datatype": "FP64", "shape": [1], "data": [4]},
        {"name": "c", "datatype": "INT64", "shape": [1], "data": [4]},
    ]
    answer = client.post(f"/v2/models/{dated_model}/infer", json={"inputs": tensors})
    assert answer.json()["outputs"][0]["data"] == seconds["codes"][0]


def test_what_is_no_date_is_named(client, dated_model):
    answer = client.post(
        f"/v1/models/{dated_model}/encodings", content="a,b,c\n1,2,3\n01/02/2026,2,3\n", headers=CSV
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "not_a_time")
    assert [(place["column"], place["row"]) for place in answer.json()["errors"]] == [("a", 2)]


def test_the_day_comes_first_in_rows_to_encode_where_it_is_said(client, dated_model):
    path = f"/v1/models/{dated_model}/encodings"
    answer = client.post(
        path, content="a,b,c\n01/02/2026,7:00,3\n", headers=CSV, params={"date_order": "day"}
    )
    assert answer.json() == client.post(path, json={"rows": [[0, 0, 3]]}).json()


def test_codes_are_decoded_to_dates_but_in_npy(client, dated_model):
    def decode(kind):
        answer = client.post(
            f"/v1/models/{dated_model}/decodings", json={"codes": [[1, 0]]}, headers={"accept": kind}
        )
        assert answer.status_code == 200
        return answer

    assert decode("application/json").json()["rows"] == [["2026-02-01T00:00:03Z", "07:00:04", 2]]
    assert decode("text/csv").text == "a,b,c\n2026-02-01T00:00:03Z,07:00:04,2\n"
    assert np.load(io.BytesIO(decode(Format.NPY.value).content)).tolist() == [[3, 4, 2]]
    table = pa.ipc.open_stream(decode(Format.ARROW.value).content).read_all()
    assert table.schema.field("a").type == pa.timestamp("us", "UTC")


def test_a_model_says_from_when_its_times_count(client, dated_model):
    assert client.get(f"/v1/models/{dated_model}").json()["origins"] == [
        "2026-02-01T00:00:00Z",
        "07:00:00",
        None,
    ]


def test_a_dataset_of_other_types_is_not_encoded(client, visits, dated_model, model_id):
    columns = '["a","b","c"]'
    renamed = client.post(
        "/v1/datasets",
        content=VISITS.partition("\n")[2],
        headers=CSV,
        params={
            "columns": columns,
            "header": "absent",
            "date_order": "day",
            "types": '{"a":"datetime","b":"datetime"}',
        },
    ).json()["id"]

    def ask(model, dataset):
        return client.post(f"/v1/models/{model}/encoding-jobs", json={"dataset": dataset})

    assert ask(dated_model, renamed).status_code == 202
    refused = ask(model_id, renamed)
    assert (refused.status_code, refused.json()["code"]) == (422, "other_type")
    assert [place["column"] for place in refused.json()["errors"]] == ["a", "b"]
