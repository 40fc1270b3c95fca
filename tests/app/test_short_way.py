"""Common requests go past the framework, and are answered as by it; all others do not."""

import json
import logging
import socket
import struct
import time

import httptools
import numpy as np
import pytest

from app import short_way
from app.access import FRESH_S
from worker.store import Scope, Store

RAW = "application/octet-stream"
ROWS = np.array([[-1, 0, 2], [3, 4, 4], [3, 4, np.nan]], "<f4")
CODES = [[0, 0], [1, 2], [1, 1]]
KEEP_ALIVE_S = 5  # uvicorn's default
HEADERS = {"content-type": RAW, "accept": RAW}


def encode(client, model_id, rows=ROWS, headers=None, **options):
    path = f"/v1/models/{model_id}/encodings"
    return client.post(path, content=rows.tobytes(), headers=HEADERS | (headers or {}), **options)


def codes_of(body):
    return np.frombuffer(body, "<i8").reshape(-1, 2).tolist()


@pytest.fixture
def loaded_id(client, model_id):
    """A model that was used before."""
    assert encode(client, model_id).status_code == 200
    assert client.get(f"/v1/models/{model_id}/grouping").status_code == 200
    return model_id


@pytest.fixture
def lookups(api, monkeypatch):
    """The models that the database was asked for, as the documented routes do each time."""
    asked = []
    get = api.store.models.get

    def noted(model_id):
        asked.append(model_id)
        return get(model_id)

    monkeypatch.setattr(api.store.models, "get", noted)
    return asked


def test_common_requests_ask_no_database(client, loaded_id, lookups):
    with Connection(client) as connection:  # a new one
        connection.send(request(loaded_id, ROWS))
        assert codes_of(connection.receive(1)[0][1]) == CODES
    assert codes_of(encode(client, loaded_id).content) == CODES
    assert client.get(f"/v1/models/{loaded_id}/grouping").status_code == 200
    tensor = {"name": "rows", "shape": [1, 3], "datatype": "FP32", "data": ROWS[1].tolist()}
    answer = client.post(f"/v2/models/{loaded_id}/infer", json={"inputs": [tensor]})
    assert answer.json()["outputs"][0]["data"] == CODES[1]
    assert lookups == []


@pytest.mark.parametrize(
    ("content_type", "accept", "rows", "is_short"),
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
    client, loaded_id, lookups, monkeypatch, content_type, accept, rows, is_short
):
    monkeypatch.setattr(short_way, "MAX_JSON_BYTES", 1000)
    monkeypatch.setattr(short_way, "MAX_ROWS_AS_JSON", 10)
    monkeypatch.setattr(short_way, "MAX_BODY_BYTES", 300 * 12)
    monkeypatch.setattr(short_way, "MAX_BYTES_AT_ONCE", 100)
    values = np.tile(ROWS[1], (rows, 1))
    body = json.dumps({"rows": values.tolist()}).encode() if content_type != RAW else values.tobytes()
    headers = {"content-type": content_type, "accept": accept}
    answer = client.post(f"/v1/models/{loaded_id}/encodings", content=body, headers=headers)
    assert (answer.status_code, lookups == []) == (200, is_short)
    assert (answer.json()["codes"] if accept != RAW else codes_of(answer.content)) == [CODES[1]] * rows


def test_long_json_that_is_refused_is_refused_by_the_route(client, loaded_id, lookups, monkeypatch):
    monkeypatch.setattr(short_way, "MAX_BYTES_AT_ONCE", 10)
    answer = client.post(f"/v1/models/{loaded_id}/encodings", json={"rows": [[1, 2, 3], [4, "x", 6]]})
    assert (answer.status_code, answer.json()["errors"][0]["row"], lookups) == (422, 2, [loaded_id])


def test_a_head_that_differs_is_read_anew(client, loaded_id, lookups):
    other = request(loaded_id, ROWS).replace(f"accept: {RAW}".encode(), b"accept: */*")
    longer, uncommon = request(loaded_id, ROWS[[0, 1, 2, 1]]), request(loaded_id, ROWS, "x-n: 1", "x-n: 2")
    with Connection(client) as connection:
        connection.send(request(loaded_id, ROWS), other, longer, uncommon, request("model_none", ROWS))
        answers = [body for _, body in connection.receive(5)]
    assert codes_of(answers[0]) == codes_of(answers[3]) == json.loads(answers[1])["codes"] == CODES
    assert codes_of(answers[2]) == [*CODES, CODES[1]]
    assert json.loads(answers[4])["code"] == "model_not_found"
    assert lookups == [loaded_id, "model_none"]


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
def test_uncommon_requests_are_for_the_routes(client, loaded_id, lookups, query, headers):
    encode(client, loaded_id, headers=headers, params=query)
    assert lookups == [loaded_id]


def test_a_header_that_is_there_twice_is_uncommon(client, loaded_id, lookups):
    headers = [("content-type", RAW), ("accept", RAW), ("x-note", "a"), ("x-note", "b")]
    path = f"/v1/models/{loaded_id}/encodings"
    assert client.post(path, content=ROWS.tobytes(), headers=headers).status_code == 200
    assert lookups == [loaded_id]


def count(client, status):
    """How many encodings were answered so, and how many rows encoded."""
    route = 'method="POST",route="/v1/models/{model_id}/encodings"'
    lines = [f'catvq_http_requests_total{{{route},status="{status}"}} ', "\ncatvq_encoded_rows_total "]
    text = client.get("/metrics").text
    return [float(text.partition(line)[2].partition("\n")[0] or 0) for line in lines]


def test_the_answer_names_the_request_and_is_counted(client, loaded_id):
    requests, rows = count(client, 200)
    assert encode(client, loaded_id, headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert encode(client, loaded_id).headers["x-request-id"].startswith("req_")
    assert count(client, 200) == [requests + 2, rows + 2 * len(ROWS)]


class Connection:
    """A client that says exactly what it is told to."""

    def __init__(self, client):
        self._socket = socket.create_connection((client.base_url.host, client.base_url.port), timeout=20)

    def send(self, *requests):
        self._socket.sendall(b"".join(requests))

    def receive(self, count):
        """The next answers: of each its status, its headers and its body."""
        answers = _Answers()
        parser = httptools.HttpResponseParser(answers)
        while len(answers.complete) < count and (data := self._socket.recv(65536)):
            parser.feed_data(data)
        return answers.complete

    def is_closed_by_the_server(self):
        return self._socket.recv(1) == b""

    def send_ahead(self, data, *, times):
        """Send as long as somebody reads; returns how often all of it was taken."""
        self._socket.settimeout(1)
        for sent in range(times):
            try:
                self._socket.sendall(data)
            except TimeoutError:
                return sent
        return times

    def reset(self):
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()


class _Answers:
    def __init__(self):
        self.complete = []
        self.on_message_begin()

    def on_message_begin(self):
        self._headers, self._body = {}, b""

    def on_header(self, name, value):
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body):
        self._body += body

    def on_message_complete(self):
        self.complete.append((self._headers, self._body))


def request(model_id, rows, *headers, version="1.1"):
    body = rows.tobytes()
    lines = [
        f"POST /v1/models/{model_id}/encodings HTTP/{version}",
        "host: localhost",
        f"content-type: {RAW}",
        f"accept: {RAW}",
        f"content-length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_requests_sent_at_once_are_answered_one_after_the_other(client, loaded_id):
    rows = [np.repeat(ROWS[[index % 3]], 1 + index * 40, axis=0) for index in range(9)]
    grouping = f"GET /v1/models/{loaded_id}/grouping HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
    uncommon = request(loaded_id, rows[4], "x-note: a", "x-note: b")
    requests = [request(loaded_id, each) for each in rows]
    with Connection(client) as connection:
        connection.send(*requests[:4], uncommon, grouping, *requests[5:])
        answers = connection.receive(10)
    assert "categories" in answers.pop(5)[1].decode()
    assert [codes_of(body) for _, body in answers] == [
        [CODES[index % 3]] * len(each) for index, each in enumerate(rows)
    ]


def test_a_body_may_come_in_parts(client, loaded_id):
    whole = request(loaded_id, np.tile(ROWS, (300, 1)))
    with Connection(client) as connection:
        for part in (whole[:50], whole[50:400], whole[400:401], whole[401:]):
            connection.send(part)
            time.sleep(0.02)
        [(headers, body)] = connection.receive(1)
    assert headers["content-length"] == str(len(body))
    assert codes_of(body) == CODES * 300


@pytest.mark.parametrize(("version", "headers"), [("1.1", ["connection: close"]), ("1.0", [])])
def test_a_connection_ends_where_the_client_wants_it(client, loaded_id, version, headers):
    with Connection(client) as connection:
        connection.send(request(loaded_id, ROWS, *headers, version=version))
        [(answer, body)] = connection.receive(1)
        assert (answer["connection"], codes_of(body)) == ("close", CODES)
        began = time.monotonic()
        assert connection.is_closed_by_the_server()
        assert time.monotonic() - began < KEEP_ALIVE_S / 2  # not because nothing came for a while


def test_many_requests_sent_at_once_are_all_answered(client, loaded_id):
    grouping = f"GET /v1/models/{loaded_id}/grouping HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
    with Connection(client) as connection:
        connection.send(*[request(loaded_id, ROWS), grouping] * 500)
        answers = connection.receive(1000)
    assert [codes_of(body) for _, body in answers[::2]] == [CODES] * 500
    assert {body for _, body in answers[1::2]} == {answers[1][1]}


def test_a_request_behind_a_short_one_has_its_time(client, loaded_id):
    grouping = f"GET /v1/models/{loaded_id}/grouping HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
    whole = request(loaded_id, ROWS)
    with Connection(client) as connection:
        connection.send(grouping, whole[:-4])
        time.sleep(KEEP_ALIVE_S + 0.5)
        connection.send(whole[-4:])
        assert codes_of(connection.receive(2)[1][1]) == CODES


def test_a_client_that_sends_ahead_fills_no_memory(client, loaded_id):
    """It sends until nobody reads it any more, which is long before all that it has to send."""
    requests = request(loaded_id, ROWS) * 1000
    with Connection(client) as connection:
        assert connection.send_ahead(requests, times=300) < 100


@pytest.mark.parametrize("headers", [[], ["x-note: a", "x-note: b"]], ids=["short", "long"])
def test_what_comes_before_nonsense_is_answered(client, loaded_id, headers):
    with Connection(client) as connection:
        connection.send(request(loaded_id, ROWS, *headers), b"nonsense\r\n\r\n")
        [(answer, body)] = connection.receive(2)
        assert (answer["connection"], codes_of(body)) == ("close", CODES)


def test_the_application_hears_of_a_client_that_goes_away_in_its_body(client, loaded_id):
    before, _ = count(client, 400)
    connection = Connection(client)
    connection.send(request(loaded_id, ROWS)[:-4])
    time.sleep(0.1)
    connection.reset()
    deadline = time.monotonic() + 10
    while count(client, 400)[0] == before:
        assert time.monotonic() < deadline


@pytest.mark.parametrize("part", [0.5, 1])
def test_clients_that_go_away_disturb_nobody(client, loaded_id, caplog, part):
    whole = request(loaded_id, np.tile(ROWS, (300, 1)))
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            connection = Connection(client)
            connection.send(whole[: int(part * len(whole))])
            connection.reset()
            assert codes_of(encode(client, loaded_id).content) == CODES
    assert caplog.messages == []


@pytest.fixture
def guarded(base_settings, serve, tmp_path):
    """A service that gives each key nine requests a minute, a key to read there, and a model in use."""
    limits = {"require_keys": True, "max_requests_per_minute": 9}
    settings = base_settings.model_copy(update={"data_dir": tmp_path, **limits})
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


def test_a_key_is_asked_for_and_counted_once(guarded):
    client, model_id, key, _ = guarded
    assert encode(client, model_id).status_code == 401
    assert encode(client, model_id, headers={"authorization": "Bearer nobody's"}).status_code == 401
    bad = [encode(client, model_id, ROWS[:1, :2], key).status_code for _ in range(4)]
    good = [encode(client, model_id, headers=key).status_code for _ in range(6)]
    assert (bad, good) == ([422] * 4, [200] * 4 + [429] * 2)


def test_a_key_that_was_revoked_is_good_for_a_second_at_most(guarded):
    client, model_id, key, store = guarded
    [record] = [record for record in store.keys.list().items if record.scope is Scope.READ]
    store.keys.revoke(record.id)
    time.sleep(FRESH_S)
    assert encode(client, model_id, headers=key).status_code == 401


def test_pages_of_other_sites_get_no_codes(client, loaded_id):
    assert encode(client, loaded_id, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert encode(client, loaded_id, headers={"host": "evil.example"}).status_code == 403


def test_a_failure_on_the_short_way_is_one_of_the_route(client, api, loaded_id, lookups, monkeypatch):
    encoder = api.app.state.services.encoders.get(loaded_id)

    def broken(_rows, *, with_doubt):
        raise RuntimeError(f"broken, {with_doubt}")

    monkeypatch.setattr(encoder, "encode", broken)
    answer = encode(client, loaded_id)
    assert (answer.status_code, answer.json()["code"], lookups) == (500, "internal_error", [loaded_id])
