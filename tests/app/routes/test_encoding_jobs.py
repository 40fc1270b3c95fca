"""Encodings of whole datasets: submitted over HTTP, done as a worker would, read as a dataset."""

import io

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from app.tables import stream_rows

NPY = "application/x-npy"
READERS = {
    "text/csv": csv.read_csv,
    "application/vnd.apache.arrow.stream": lambda body: pa.ipc.open_stream(body).read_all(),
    "application/vnd.apache.parquet": parquet.read_table,
}


def submit(api, model_id, dataset_id, headers=None, **fields):
    body = {"dataset": dataset_id} | fields
    return api.client.post(f"/v1/models/{model_id}/encoding-jobs", json=body, headers=headers or {})


def rows_of(client, dataset_id, accept=NPY, **headers):
    return client.get(f"/v1/datasets/{dataset_id}/rows", headers={"accept": accept} | headers)


@pytest.fixture(scope="module")
def uploaded(api):
    body = "a,b,c\n0.5,1,2\n0.25,,-1.5\n3,4,5\n"
    answer = api.client.post("/v1/datasets", content=body, headers={"content-type": "text/csv"})
    return answer.json()["id"]


def test_an_encoding_is_a_job_whose_result_is_a_dataset(api, model_id):
    dataset_id = api.dataset(rows=40, seed=11)
    answer = submit(api, model_id, dataset_id, name="coded", labels={"team": "x"})
    job = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/jobs/{job['id']}")
    assert (job["kind"], job["status"], job["result"], job["seed"]) == ("encoding", "queued", None, None)
    assert job["config"] == {
        "dataset": dataset_id,
        "name": "coded",
        "labels": {"team": "x"},
        "model": model_id,
        "keys": [],
        "prefixes": [],
    }
    assert job["progress"] | {"eta_seconds": None} == {
        "fraction": 0,
        "epoch": 0,
        "epochs": 1,
        "step": 0,
        "steps": 40,
        "eta_seconds": None,
    }
    claim = api.store.leases.claim(job["id"], "tester", threads=1)
    api.store.recordings.record_rows(claim, done=10, rows=40, eta_seconds=3.0)
    seen = api.client.get(answer.headers["location"]).json()
    assert (seen["progress"]["fraction"], seen["progress"]["step"]) == (0.25, 10)
    assert set(seen["links"]) >= {"cancel", "pause"}
    assert "finish" not in seen["links"]
    api.store.leases.deliver(claim, dataset_id)
    seen = api.client.get(answer.headers["location"]).json()
    assert (seen["status"], seen["result"], seen["model"]) == ("succeeded", dataset_id, None)
    assert seen["links"]["result"] == f"/v1/datasets/{dataset_id}"


def test_what_is_recorded_of_a_training_is_null_for_an_encoding(api, model_id, uploaded):
    path = f"/v1/jobs/{submit(api, model_id, uploaded).json()['id']}"
    temperature = api.client.get(f"{path}/temperature").json()
    assert (temperature["temperature"], temperature["schedule"], temperature["epochs"]) == (None, None, 1)
    assert api.client.get(f"{path}/assignment").json()["matrix"] is None
    assert api.client.get(f"{path}/metrics").json()["points"] == []
    assert api.client.get(f"{path}/checkpoints").json()["items"] == []
    assert api.client.post(f"{path}/finish").json()["code"] == "not_training"
    assert api.client.patch(f"{path}/temperature", json={"held": True}).status_code == 409
    assert api.client.post(f"{path}/cancel").status_code == 202


def test_one_idempotency_key_makes_one_job(api, model_id, uploaded):
    headers = {"idempotency-key": "encode-once"}
    first, again = (submit(api, model_id, uploaded, headers) for _ in range(2))
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert submit(api, api.model(), uploaded, headers).status_code == 422


def test_an_alias_is_resolved_when_the_job_is_submitted(api, model_id, uploaded):
    api.client.put("/v1/aliases/coder", json={"model": model_id})
    assert submit(api, "@coder", uploaded).json()["config"]["model"] == model_id


def test_what_cannot_be_encoded_is_refused_by_place(api, client, model_id):
    assert submit(api, "model_0", "ds_0").json()["code"] == "model_not_found"
    answer = submit(api, model_id, "ds_0")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "dataset")
    other = client.post("/v1/datasets", content="a,x\n1,2\n", headers={"content-type": "text/csv"}).json()
    answer = submit(api, model_id, other["id"])
    assert (answer.status_code, answer.json()["code"]) == (422, "missing_column")
    assert [place["column"] for place in answer.json()["errors"]] == ["b", "c"]


def test_too_many_rows_point_to_the_jobs(client, model_id):
    body = io.BytesIO()
    np.save(body, np.zeros((1001, 3), np.float32))
    path = f"/v1/models/{model_id}/encodings"
    answer = client.post(path, content=body.getvalue(), headers={"content-type": NPY})
    assert (answer.status_code, "encoding-jobs" in answer.json()["detail"]) == (413, True)


def test_rows_come_back_as_they_were_uploaded(client, uploaded):
    rows = np.load(io.BytesIO(rows_of(client, uploaded).content))
    assert rows.dtype == np.float32
    assert np.array_equal(rows, [[0.5, 1, 2], [0.25, np.nan, -1.5], [3, 4, 5]], equal_nan=True)


@pytest.mark.parametrize("accept", READERS)
def test_rows_come_in_every_format_that_names_columns(client, uploaded, accept, monkeypatch):
    monkeypatch.setattr(stream_rows, "PART_BYTES", 12)  # a row at a time
    table = READERS[accept](io.BytesIO(rows_of(client, uploaded, accept).content))
    assert table.to_pydict() == {"a": [0.5, 0.25, 3], "b": [1, None, 4], "c": [2, -1.5, 5]}


def test_names_that_look_like_formulas_are_quoted_in_csv_which_can_be_uploaded_again(client):
    names = ["=1+1", "-log10(p)", "'@c"]
    body = {"columns": names, "rows": [[-1, 2, 3], [4, -5, 6]]}
    first = client.post("/v1/datasets", json=body).json()
    text = rows_of(client, first["id"], "text/csv").text
    assert text.splitlines() == ["'=1+1,'-log10(p),''@c", "-1,2,3", "4,-5,6"]
    again = client.post("/v1/datasets", content=text, headers={"content-type": "text/csv"}).json()
    assert again["features"] == first["features"] == names


def test_rows_are_cached_for_ever_and_fetched_in_pieces(client, uploaded):
    whole = rows_of(client, uploaded)
    assert "immutable" in whole.headers["cache-control"]
    assert rows_of(client, uploaded, **{"if-none-match": whole.headers["etag"]}).status_code == 304
    piece = rows_of(client, uploaded, range="bytes=10-19")
    assert (piece.status_code, piece.content) == (206, whole.content[10:20])
    assert rows_of(client, uploaded, "image/png").status_code == 406
    assert rows_of(client, "ds_0").status_code == 404


def test_keys_of_the_dataset_are_asked_for_in_body_or_query(api, model_id):
    body = "who,site,a,b,c\nx,n,1,2,3\ny,s,4,5,6\n"
    params = {"types": '{"who":"key","site":"key"}'}
    headers = {"content-type": "text/csv"}
    dataset = api.client.post("/v1/datasets", content=body, headers=headers, params=params).json()["id"]
    path = f"/v1/models/{model_id}/encoding-jobs"

    answer = api.client.post(path, json={"dataset": dataset, "keys": ["site"]}, params={"keys": '["who"]'})
    assert (answer.status_code, answer.json()["config"]["keys"]) == (202, ["site", "who"])
    refused = api.client.post(path, json={"dataset": dataset}, params={"keys": '["a","nobody"]'})
    assert refused.status_code == 422
    assert [place["column"] for place in refused.json()["errors"]] == ["a", "nobody"]


def test_a_key_is_not_named_like_a_code(api, model_id):
    body, params = "a,b,c,first.0\n1,2,3,x\n4,6,5,y\n", {"types": '{"first.0":"key"}'}
    headers = {"content-type": "text/csv"}
    dataset_id = api.client.post("/v1/datasets", content=body, params=params, headers=headers).json()["id"]
    refused = submit(api, model_id, dataset_id, keys=["first.0"]).json()
    assert (refused["code"], refused["errors"][0]["column"]) == ("duplicate_column", "first.0")


def test_only_series_have_prefixes(api, model_id):
    dataset_id = api.dataset(rows=5, seed=12)
    path = f"/v1/models/{model_id}/encoding-jobs"
    answer = api.client.post(path, json={"dataset": dataset_id, "prefixes": [4]})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "prefixes")
    for body in ({"prefixes": [4, 4]}, {"prefixes": [4], "keys": ["row"]}, {"prefixes": [0]}):
        assert api.client.post(path, json={"dataset": dataset_id} | body).status_code == 422
