"""Codes are decoded to rows."""

import io

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from app.tables import stream_rows

NPY = "application/x-npy"
READERS = {
    "text/csv": lambda body: csv.read_csv(io.BytesIO(body)),
    "application/vnd.apache.arrow.stream": lambda body: pa.ipc.open_stream(body).read_all(),
    "application/vnd.apache.parquet": lambda body: parquet.read_table(io.BytesIO(body)),
}


def npy(array):
    body = io.BytesIO()
    np.save(body, array)
    return body.getvalue()


def decode(client, model_id, codes, accept="application/json"):
    return client.post(f"/v1/models/{model_id}/decodings", json={"codes": codes}, headers={"accept": accept})


def test_codes_are_decoded_to_rows(client, model_id):
    answer = decode(client, model_id, [[1, 2], [0, 1]])
    assert answer.json() == {"model": model_id, "features": ["a", "b", "c"], "rows": [[3, 4, 4], [-1, 0, 3]]}
    rows = np.load(io.BytesIO(decode(client, model_id, [[1, 2]], NPY).content))
    assert (rows.dtype, rows.tolist()) == (np.float32, [[3, 4, 4]])
    table = READERS["text/csv"](decode(client, model_id, [[1, 2]], "text/csv").content)
    assert table.to_pylist() == [{"a": 3, "b": 4, "c": 4}]


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, ">i4"])
def test_codes_may_come_as_npy(client, model_id, dtype):
    headers = {"content-type": NPY}
    body = npy(np.array([[1, 2]], dtype))
    answer = client.post(f"/v1/models/{model_id}/decodings", content=body, headers=headers)
    assert answer.json()["rows"] == [[3, 4, 4]]


@pytest.mark.parametrize("code", [-1, 3, 2**40, 2**63])
def test_a_code_out_of_range_is_named(client, model_id, code):
    answer = decode(client, model_id, [[1, 2], [0, code]])
    document = answer.json()
    assert (answer.status_code, document["code"]) == (422, "code_out_of_range")
    assert (document["errors"][0]["row"], document["errors"][0]["token"]) == (2, "second/0")


@pytest.mark.parametrize("codes", [[[1]], [[1, 2, 0]], [], [[1, 0.5]], [[1, None]], "x", [[1, "2"]]])
def test_codes_of_another_form_are_refused(client, model_id, codes):
    assert decode(client, model_id, codes).status_code == 422


@pytest.mark.parametrize("array", [np.zeros((1, 2)), np.zeros((1, 3), int), np.zeros((0, 2), int)])
def test_arrays_of_codes_of_another_form_are_refused(client, model_id, array):
    answer = client.post(
        f"/v1/models/{model_id}/decodings", content=npy(array), headers={"content-type": NPY}
    )
    assert answer.status_code == 422


def test_too_many_codes_are_too_many(client, model_id):
    assert decode(client, model_id, [[0, 0]] * 1001).status_code == 413


@pytest.mark.parametrize("accept", ["application/json", *READERS])
def test_many_rows_are_decoded_while_they_are_sent(client, model_id, accept, monkeypatch):
    codes = [[index % 2, index % 3] for index in range(1000)]
    at_once = decode(client, model_id, codes, accept)
    assert "content-length" in at_once.headers
    monkeypatch.setattr(stream_rows, "PART_BYTES", 1000)
    streamed = decode(client, model_id, codes, accept)
    assert streamed.headers["transfer-encoding"] == "chunked"
    assert streamed.headers["content-type"] == at_once.headers["content-type"]
    if accept == "application/json":
        assert streamed.json() == at_once.json()
    else:
        assert READERS[accept](streamed.content).equals(READERS[accept](at_once.content))
