"""Rows to codes and back: every format in and out, names matched, bad rows marked and not spread."""

import io
import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

ROWS = np.array([[-1, 0, 2], [3, 4, 4], [3, 4, np.nan]], np.float32)
CODES = [[0, 0], [1, 2], [1, 1]]
NPY = "application/x-npy"
RAW = "application/octet-stream"


def encode(client, model_id, body, content_type, accept=None, **params):
    headers = {"content-type": content_type} | ({} if accept is None else {"accept": accept})
    return client.post(f"/v1/models/{model_id}/encodings", content=body, headers=headers, params=params)


def encode_json(client, model_id, **body):
    return client.post(f"/v1/models/{model_id}/encodings", json=body)


def npy(array):
    body = io.BytesIO()
    np.save(body, array)
    return body.getvalue()


def arrow(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def as_parquet(table):
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)
    return bytes(sink.getvalue())


TABLE = pa.table({name: ROWS[:, index] for index, name in enumerate("abc")})
BODIES = {
    "application/json": json.dumps({"rows": [[-1, 0, 2], [3, 4, 4], [3, 4, None]]}).encode(),
    NPY: npy(ROWS),
    "text/csv": b"c,a,b\n2,-1,0\n4,3,4\n,3,4\n",
    "application/vnd.apache.arrow.stream": arrow(TABLE.select(["b", "c", "a"])),
    "application/vnd.apache.parquet": as_parquet(TABLE),
    RAW: ROWS.astype("<f4").tobytes(),
}
READERS = {
    "text/csv": lambda body: csv.read_csv(io.BytesIO(body)),
    "application/vnd.apache.arrow.stream": lambda body: pa.ipc.open_stream(body).read_all(),
    "application/vnd.apache.parquet": lambda body: parquet.read_table(io.BytesIO(body)),
}


@pytest.mark.parametrize("content_type", BODIES)
def test_every_format_is_read_to_the_same_codes(client, model_id, content_type):
    answer = encode(client, model_id, BODIES[content_type], content_type)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "model": model_id,
        "codes": CODES,
        "reconstruction_error": [0.0, 0.0, 0.0],
        "distance_percentile": [0.0, 0.0, 0.0],
        "status": ["ok", "ok", "imputed"],
    }


def test_only_cells_that_are_there_count_in_a_rows_error(client, model_id):
    rows = [[5, 4, 3], [5, None, 3], [None, None, None]]  # a of 5 is two scales from its centre, a code one
    answer = encode(client, model_id, json.dumps({"rows": rows}).encode(), "application/json").json()
    assert answer["reconstruction_error"] == [pytest.approx(1 / 3), pytest.approx(0.5), None]
    assert answer["status"] == ["ok", "imputed", "imputed"]


def test_cells_that_are_no_numbers_are_named_in_all_columns_at_once(client, model_id):
    refused = encode(client, model_id, b"a,b,c\n1,2,3\nx,2,3\n1,2,y\n", "text/csv").json()
    assert [(error["column"], error["row"]) for error in refused["errors"]] == [("a", 2), ("c", 3)]


@pytest.mark.parametrize("name", ["status", "first/0"])
def test_a_key_named_like_a_column_of_the_answer_is_refused_where_they_would_stand_side_by_side(
    client, model_id, name
):
    body, url = f"a,b,c,{name}\n1,2,3,x\n".encode(), f"/v1/models/{model_id}/encodings"
    params, headers = {"keys": json.dumps([name])}, {"content-type": "text/csv"}
    refused = client.post(url, content=body, params=params, headers=headers | {"accept": "text/csv"}).json()
    assert (refused["code"], refused["errors"][0]["column"]) == ("duplicate_column", name)
    assert client.post(url, content=body, params=params, headers=headers).json()["keys"] == {name: ["x"]}


@pytest.mark.parametrize("accept", READERS)
def test_tables_carry_codes_error_and_status(client, model_id, accept):
    answer = encode(client, model_id, BODIES[NPY], NPY, accept)
    assert answer.headers["content-type"].startswith(accept)
    table = READERS[accept](answer.content)
    assert table.column_names == [
        "first/0",
        "second/0",
        "reconstruction_error",
        "distance_percentile",
        "status",
    ]
    assert table["second/0"].to_pylist() == [0, 2, 1]
    assert table["status"].to_pylist() == ["ok", "ok", "imputed"]


def test_npy_holds_the_codes_alone(client, model_id):
    codes = np.load(io.BytesIO(encode(client, model_id, BODIES[NPY], NPY, NPY).content))
    assert (codes.dtype, codes.tolist()) == (np.int64, CODES)


def test_raw_numbers_are_the_codes_alone(client, model_id):
    answer = encode(client, model_id, BODIES[RAW], RAW, RAW)
    assert np.frombuffer(answer.content, "<i8").reshape(-1, 2).tolist() == CODES


@pytest.mark.parametrize("size", [0, 11, 13])
def test_raw_numbers_that_are_no_whole_rows_are_refused(client, model_id, size):
    answer = encode(client, model_id, bytes(size), RAW)
    assert (answer.status_code, answer.json()["code"]) == (422, "wrong_width" if size else "no_rows")


@pytest.mark.parametrize("content_type", ["application/json", NPY, RAW])
@pytest.mark.parametrize("accept", ["application/json", NPY, RAW])
def test_the_short_way_gives_the_bytes_of_the_long_one(client, loaded_id, content_type, accept):
    model_id, body = loaded_id, BODIES[content_type]
    short = encode(client, model_id, body, content_type, accept)
    long = encode(client, model_id, body, content_type, f"{accept};q=1")
    chunked = client.post(
        f"/v1/models/{model_id}/encodings",
        content=iter([body[:7], body[7:]]),
        headers={"content-type": content_type, "accept": accept},
    )
    assert short.content == long.content == chunked.content
    dropped = {"date", "x-request-id"}
    assert {name: value for name, value in short.headers.items() if name not in dropped} == {
        name: value for name, value in long.headers.items() if name not in dropped
    }


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"rows": [[1, 2]]}', b"\x93NUMPY\x01\x00v\x00{", b"x" * (1 << 19)]
)
@pytest.mark.parametrize("content_type", ["application/json", NPY, RAW])
def test_the_short_way_refuses_what_the_long_one_refuses(client, loaded_id, content_type, body):
    short = encode(client, loaded_id, body, content_type).json()
    long = encode(client, loaded_id, body, content_type, "*/*;q=1").json()
    assert short.pop("instance") != long.pop("instance")
    assert short == long


def test_what_was_never_published_is_no_model(client, api, make_model):
    make_model(api.store.models.directory("model_left_by_a_job"))
    for content_type, body in BODIES.items():
        answer = encode(client, "model_left_by_a_job", body, content_type)
        assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")


def test_a_bad_row_is_marked_and_spoils_no_other(client, model_id):
    rows = np.array([[3, 4, 4], [np.inf, 0, 0], [1e39, 0, 0], [3, 4, 4]])
    document = encode(client, model_id, npy(rows), NPY).json()
    assert document["codes"] == [[1, 2], [-1, -1], [-1, -1], [1, 2]]
    assert document["status"] == ["ok", "invalid", "invalid", "ok"]
    assert document["reconstruction_error"] == [0.0, None, None, 0.0]
    document = encode_json(client, model_id, rows=[[-1e39, 0, 0]]).json()
    assert document["status"] == ["invalid"]


def test_columns_are_matched_by_name_and_others_left_out(client, model_id):
    named = encode_json(client, model_id, rows=[[9, 4, 3, 4]], columns=["x", "c", "a", "b"])
    assert named.json()["codes"] == [[1, 2]]
    array = npy(np.array([[4, 4, 3]], np.float32))
    assert encode(client, model_id, array, NPY, columns='["c", "b", "a"]').json()["codes"] == [[1, 2]]


def test_missing_columns_are_named(client, model_id):
    answer = encode(client, model_id, b"a,x\n1,2\n", "text/csv")
    assert (answer.status_code, answer.json()["code"]) == (422, "missing_column")
    assert [place["column"] for place in answer.json()["errors"]] == ["b", "c"]


@pytest.mark.parametrize(
    ("body", "code", "place"),
    [
        ({"rows": [[1, 2]]}, "wrong_width", {"field": "rows"}),
        ({"rows": [[1, 2, 3], [1, 2]]}, "wrong_width", {"field": "rows", "row": 2}),
        ({"rows": [[1, 2, "x"]]}, "not_numeric", {"row": 1, "column": "c"}),
        ({"rows": []}, "no_rows", {"field": "rows"}),
        ({"rows": [[1, 2, 3]], "model": "x"}, "unknown_field", {"field": "model"}),
        ({"rows": [[1, 2, 3]], "columns": ["a", "b", "b"]}, "duplicate_column", {"column": "b"}),
        ({}, "missing_field", {"field": "rows"}),
    ],
)
def test_a_body_of_another_form_is_refused_by_place(client, model_id, body, code, place):
    answer = encode_json(client, model_id, **body)
    document = answer.json()
    assert (answer.status_code, document["code"]) == (422, code)
    assert {name: document["errors"][0].get(name) for name in place} == place


@pytest.mark.parametrize("rows", [np.zeros((0, 3)), np.zeros((2, 4)), np.zeros(3), np.zeros((2, 3), complex)])
def test_an_array_of_another_form_is_refused(client, model_id, rows):
    assert encode(client, model_id, npy(rows), NPY).status_code == 422


def test_an_array_with_more_columns_than_there_may_be_is_refused_before_they_get_names(client, model_id):
    tracemalloc.start()
    answer = encode(client, model_id, npy(np.zeros((1, 1_000_000), np.uint8)), NPY)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_features")
    assert most < 20_000_000


def test_more_rows_than_the_limit_are_too_many(client, model_id):
    assert encode(client, model_id, npy(np.zeros((1000, 3))), NPY).status_code == 200
    answer = encode(client, model_id, npy(np.zeros((1001, 3))), NPY)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_rows")


def test_another_media_type_is_refused_before_the_body_is_read(client, model_id):
    assert encode(client, model_id, b"x", "application/x-other").status_code == 415
    assert encode(client, model_id, BODIES[NPY], NPY, "image/png").status_code == 406
    assert encode(client, "model_0", BODIES[NPY], NPY).status_code == 404


def test_an_alias_says_which_model_it_was(client, model_id):
    client.put("/v1/aliases/encoder", json={"model": model_id})
    answer = encode(client, "@encoder", BODIES[NPY], NPY)
    assert answer.json()["model"] == model_id
    assert model_id in answer.headers["link"]


def test_simultaneous_requests_each_get_their_own_codes(api, model_id):
    random = np.random.default_rng(0)
    batches = [random.normal(2, 3, (int(size), 3)).astype(np.float32) for size in random.integers(1, 50, 60)]
    alone = [encode(api.client, model_id, npy(batch), NPY, NPY).content for batch in batches]

    def ask(number):
        content_type = list(BODIES)[number % 2]
        body = npy(batches[number])
        if content_type == "application/json":
            body = json.dumps({"rows": batches[number].tolist()}).encode()
        return encode(api.client, model_id, body, content_type, NPY).content

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(len(batches)))) == alone


@pytest.mark.parametrize("path", ["encodings", "decodings"])
def test_rows_of_too_many_numbers_are_too_many_however_they_come(serve, base_settings, tmp_path, path):
    limits = {"data_dir": tmp_path, "max_encode_values": 30 if path == "encodings" else 20}
    with serve(base_settings.model_copy(update=limits)) as api:
        url = f"/v1/models/{api.model()}/{path}"
        field, row = ("rows", [1, 2, 3]) if path == "encodings" else ("codes", [1, 2])
        for sent in ({"json": {field: [row] * 11}}, as_npy([row] * 11)):
            answer = api.client.post(url, **sent)
            assert (answer.status_code, answer.json()["code"]) == (413, "too_many_rows")
            assert "more than 10 rows" in answer.json()["detail"]
        assert api.client.post(url, json={field: [row] * 10}).status_code == 200


def as_npy(rows):
    return {"content": npy(np.array(rows)), "headers": {"content-type": NPY}}


def npz(arrays):
    body = io.BytesIO()
    np.savez(body, **arrays)
    return body.getvalue()


def test_arrays_of_a_file_are_matched_by_name_or_are_rows_in_the_models_order(client, model_id):
    rows = np.array([[1, 2, 3], [-1, 0, 2]])
    expected = encode_json(client, model_id, rows=rows.tolist()).json()["codes"]
    answer = encode(client, model_id, npz({"rows": rows}), "application/x-npz")
    assert answer.json()["codes"] == expected
    params = {"columns": '["c","a","b"]'}
    body = npz({"x": rows[:, 2], "y": rows[:, :2]})
    answer = client.post(
        f"/v1/models/{model_id}/encodings",
        content=body,
        headers={"content-type": "application/x-npz"},
        params=params,
    )
    assert answer.json()["codes"] == expected
    refused = encode(client, model_id, body, "application/x-npz")
    assert (refused.status_code, refused.json()["code"]) == (422, "missing_column")
