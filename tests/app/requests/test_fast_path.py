"""Common requests are answered before the framework, as it would; all others are not."""

import json
import time

import numpy as np
import pytest

from app.auth.keys import FRESH_S
from app.requests import common_requests
from tests.app.common_requests import CODES, RAW, ROWS, Connection, codes_of, count, encode, request
from worker.store import Scope, Store


def test_common_requests_do_not_reach_the_framework(client, loaded_id, routed):
    with Connection(client) as connection:  # a new one
        connection.send(request(loaded_id, ROWS))
        assert codes_of(connection.receive(1)[0][1]) == CODES
    assert codes_of(encode(client, loaded_id).content) == CODES
    assert client.get(f"/v1/models/{loaded_id}/grouping").status_code == 200
    tensor = {"name": "rows", "shape": [1, 3], "datatype": "FP32", "data": ROWS[1].tolist()}
    answer = client.post(f"/v2/models/{loaded_id}/infer", json={"inputs": [tensor]})
    assert answer.json()["outputs"][0]["data"] == CODES[1]
    assert routed == []


@pytest.mark.parametrize(
    ("content_type", "accept", "rows", "is_fast"),
    [
        ("application/json", RAW, 3, True),
        ("application/json", RAW, 300, False),
        (RAW, "application/json", 10, True),
        (RAW, "application/json", 11, False),
        (RAW, RAW, 300, True),
        (RAW, RAW, 400, False),
    ],
)
def test_what_would_keep_the_loop_busy_is_for_the_routes(
    client, loaded_id, routed, monkeypatch, content_type, accept, rows, is_fast
):
    monkeypatch.setattr(common_requests, "MAX_BYTES_AT_ONCE", 10 * 12)
    monkeypatch.setattr(common_requests, "MAX_BYTES", 300 * 12)
    values = np.tile(ROWS[1], (rows, 1))
    body = json.dumps({"rows": values.tolist()}).encode() if content_type != RAW else values.tobytes()
    headers = {"content-type": content_type, "accept": accept}
    answer = client.post(f"/v1/models/{loaded_id}/encodings", content=body, headers=headers)
    assert (answer.status_code, routed == []) == (200, is_fast)
    assert (answer.json()["codes"] if accept != RAW else codes_of(answer.content)) == [CODES[1]] * rows


def test_json_that_is_refused_is_refused_by_the_route(client, loaded_id, routed):
    answer = client.post(f"/v1/models/{loaded_id}/encodings", json={"rows": [[1, 2, 3], [4, "x", 6]]})
    assert (answer.status_code, answer.json()["errors"][0]["row"], routed) == (
        422,
        2,
        [f"/v1/models/{loaded_id}/encodings"],
    )


def test_an_alias_is_as_fast_as_an_id_and_moves_at_once(client, api, loaded_id, routed):
    other = api.model()
    encode(client, other)
    for model_id in (loaded_id, other, loaded_id):
        assert client.put("/v1/aliases/fast", json={"model": model_id}).status_code in {200, 201}
        answers = [encode(client, "@fast", headers={"accept": "application/json"}) for _ in range(3)]
        assert [answer.json()["model"] for answer in answers] == [model_id] * 3
        assert answers[2].headers["link"] == f'</v1/models/{model_id}>; rel="describedby"'
        known = client.get("/v1/models/@fast/grouping")
        assert known.headers["content-location"] == f"/v1/models/{model_id}/grouping"
        tensor = {"name": "rows", "shape": [1, 3], "datatype": "FP32", "data": ROWS[1].tolist()}
        version = client.post("/v2/models/@fast/infer", json={"inputs": [tensor]}).json()["model_version"]
        assert version == client.get("/v1/aliases/fast").headers["etag"].strip('"')
    assert routed.count("/v1/models/@fast/encodings") == 3  # the first after each move
    client.delete("/v1/aliases/fast")
    assert encode(client, "@fast").status_code == 404


@pytest.mark.parametrize("what", ["head", "field", "fields"])
def test_heads_are_bounded_as_on_the_routes(client, loaded_id, what):
    path = f"/v1/models/{loaded_id}/encodings"
    headers = {
        "head": [(f"x-{number}", "y" * 5000) for number in range(14)],
        "field": [("x-note", "y" * 66_000)],
        "fields": [(f"x-{number}", "y") for number in range(100)],
    }[what]
    common = [("content-type", RAW), ("accept", RAW)]
    answer = client.post(path, content=ROWS.tobytes(), headers=[*common, *headers])
    assert answer.status_code == 431


def test_documents_may_be_known_already(client, loaded_id):
    path = f"/v1/models/{loaded_id}/grouping"
    known = ("if-none-match", client.get(path).headers["etag"])
    short = client.get(path, headers=[known])
    long = client.get(path, headers=[known, ("x-note", "a"), ("x-note", "b")])
    dropped = {"date", "x-request-id"}
    assert (short.status_code, short.content) == (304, b"")
    assert {name: value for name, value in short.headers.items() if name not in dropped} == {
        name: value for name, value in long.headers.items() if name not in dropped
    }


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ({"columns": '["a","b","c"]'}, {"content-type": "application/json"}),
        ({}, {"accept": f"{RAW};q=1"}),
        ({}, {"content-type": f"{RAW}; x=y"}),
        ({}, {"expect": "100-continue"}),
        ({}, {"content-encoding": "gzip"}),
    ],
)
def test_uncommon_requests_are_for_the_routes(client, loaded_id, routed, query, headers):
    encode(client, loaded_id, headers=headers, params=query)
    assert len(routed) == 1


def test_a_header_that_is_there_twice_is_uncommon(client, loaded_id, routed):
    headers = [("content-type", RAW), ("accept", RAW), ("x-note", "a"), ("x-note", "b")]
    path = f"/v1/models/{loaded_id}/encodings"
    assert client.post(path, content=ROWS.tobytes(), headers=headers).status_code == 200
    assert len(routed) == 1


def test_the_answer_names_the_request_and_is_counted(client, loaded_id):
    requests, rows = count(client, 200)
    assert encode(client, loaded_id, headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert encode(client, loaded_id).headers["x-request-id"].startswith("req_")
    assert count(client, 200) == [requests + 2, rows + 2 * len(ROWS)]


@pytest.fixture
def guarded(base_settings, serve, tmp_path):
    """A service that demands keys, one to read there, and a model in use."""
    settings = base_settings.model_copy(update={"data_dir": tmp_path, "require_keys": True})
    store = Store.open(settings)
    own, key = (store.keys.create(scope).secret for scope in (Scope.WRITE, Scope.READ))
    store.close()
    with serve(settings) as api:
        api.client.headers["authorization"] = f"Bearer {own}"
        model_id = api.model()
        del api.client.headers["authorization"]
        headers = {"authorization": f"Bearer {key}"}
        assert encode(api.client, model_id, headers=headers).status_code == 200
        yield api.client, model_id, headers, api.store


def test_a_key_is_asked_for(guarded):
    client, model_id, key, _ = guarded
    assert encode(client, model_id).status_code == 401
    assert encode(client, model_id, headers={"authorization": "Bearer nobody's"}).status_code == 401
    assert encode(client, model_id, ROWS[:1, :2], key).status_code == 422
    assert encode(client, model_id, headers=key).status_code == 200


def test_a_key_that_was_revoked_is_good_for_a_second_at_most(guarded):
    client, model_id, key, store = guarded
    [record] = [record for record in store.keys.list().items if record.scope is Scope.READ]
    store.keys.revoke(record.id)
    time.sleep(FRESH_S)
    assert encode(client, model_id, headers=key).status_code == 401


def test_pages_of_other_sites_get_no_codes(client, loaded_id):
    assert encode(client, loaded_id, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert encode(client, loaded_id, headers={"host": "evil.example"}).status_code == 403


def test_a_failure_on_the_fast_path_is_one_of_the_route(client, api, loaded_id, routed, monkeypatch):
    encoder = api.app.state.services.encoders.get(loaded_id)

    def broken(_rows, *, with_doubt):
        raise RuntimeError(f"broken, {with_doubt}")

    monkeypatch.setattr(encoder, "encode", broken)
    answer = encode(client, loaded_id)
    assert (answer.status_code, answer.json()["code"], routed) == (
        500,
        "internal_error",
        [f"/v1/models/{loaded_id}/encodings"],
    )
