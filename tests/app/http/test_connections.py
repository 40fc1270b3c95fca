"""Requests that are sent ahead, in parts, by halves, before nonsense, or by clients that go away."""

import json
import logging
import threading
import time

import numpy as np
import pytest

from tests.app.common_requests import CODES, RAW, ROWS, Connection, codes_of, count, encode, request

UNCOMMON = ["x-note: a", "x-note: b"]
KEEP_ALIVE_S = 20  # by default


def test_a_head_that_differs_is_read_anew(client, loaded_id, routed):
    other = request(loaded_id, ROWS).replace(f"accept: {RAW}".encode(), b"accept: */*")
    longer, uncommon = request(loaded_id, ROWS[[0, 1, 2, 1]]), request(loaded_id, ROWS, "x-n: 1", "x-n: 2")
    with Connection(client) as connection:
        requests = [request(loaded_id, ROWS), other, longer, uncommon, request("model_none", ROWS)]
        answers = [body for each in requests for _, body in connection.ask(each)]
    assert codes_of(answers[0]) == codes_of(answers[3]) == json.loads(answers[1])["codes"] == CODES
    assert codes_of(answers[2]) == [*CODES, CODES[1]]
    assert json.loads(answers[4])["code"] == "model_not_found"
    assert routed == [f"/v1/models/{each}/encodings" for each in (loaded_id, "model_none")]


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
        assert codes_of(body) == CODES
        assert answer.get("connection") == ("close" if version == "1.1" else None)
        began = time.monotonic()
        assert connection.is_closed_by_the_server()
        assert time.monotonic() - began < KEEP_ALIVE_S / 2  # not because nothing came for a while


def test_a_connection_ends_after_a_document_where_the_client_wants_it(client, loaded_id):
    head = f"GET /v1/models/{loaded_id}/grouping HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    with Connection(client) as connection:
        [(headers, _)] = connection.ask(head.encode())
    assert headers["connection"] == "close"


def test_many_requests_sent_at_once_are_all_answered(client, loaded_id):
    grouping = f"GET /v1/models/{loaded_id}/grouping HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
    with Connection(client) as connection:
        connection.send(*[request(loaded_id, ROWS), grouping] * 500)
        answers = connection.receive(1000)
    assert [codes_of(body) for _, body in answers[::2]] == [CODES] * 500
    assert {body for _, body in answers[1::2]} == {answers[1][1]}


@pytest.fixture
def slow_encoder(api, loaded_id, monkeypatch):
    """To encode takes longer than anything that is sent meanwhile takes to come."""
    encoder = api.app.state.services.encoders.get(loaded_id)
    slow_down(encoder, monkeypatch)


def slow_down(encoder, monkeypatch):
    encode_now = encoder.encode

    def encode_slowly(rows, *, with_doubt):
        time.sleep(0.3)
        return encode_now(rows, with_doubt=with_doubt)

    monkeypatch.setattr(encoder, "encode", encode_slowly)


@pytest.mark.usefixtures("slow_encoder")
@pytest.mark.parametrize("first", [[], UNCOMMON], ids=["short", "long"])
@pytest.mark.parametrize("second", [[], UNCOMMON], ids=["short", "long"])
@pytest.mark.parametrize("early", [30, -4, None], ids=["part of the head", "part of the body", "all"])
def test_what_comes_while_an_answer_is_made_is_answered_next(client, loaded_id, first, second, early):
    following = request(loaded_id, ROWS[::-1], *second)
    with Connection(client) as connection:
        for part in (request(loaded_id, ROWS, *first), following[:early]):
            connection.send(part)
            time.sleep(0.05)
        answers = connection.receive(1)
        connection.send(b"" if early is None else following[early:], request(loaded_id, ROWS))
        answers += connection.receive(2)
    assert [codes_of(body) for _, body in answers] == [CODES, CODES[::-1], CODES]


@pytest.mark.usefixtures("slow_encoder")
def test_nonsense_that_comes_while_an_answer_is_made_is_refused_after_it(client, loaded_id):
    with Connection(client) as connection:
        for part in (request(loaded_id, ROWS), b"nonsense\r\n\r\n"):
            connection.send(part)
            time.sleep(0.05)
        [(_, body), (refusal, _)] = connection.receive(2)
    assert (codes_of(body), refusal["connection"]) == (CODES, "close")


@pytest.mark.usefixtures("slow_encoder")
@pytest.mark.parametrize("headers", [[], UNCOMMON], ids=["short", "long"])
@pytest.mark.parametrize("is_together", [True, False])
def test_a_broken_body_is_refused_after_the_answer_that_is_due(client, loaded_id, headers, is_together):
    head = f"POST /v1/models/{loaded_id}/encodings HTTP/1.1\r\nhost: localhost\r\n"
    broken = f"{head}content-type: text/csv\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n".encode()
    with Connection(client) as connection:
        connection.send(request(loaded_id, ROWS, *headers), broken if is_together else b"")
        time.sleep(0.05)
        connection.send(b"" if is_together else broken)
        [(_, body), (_, problem)] = connection.receive(2)
    assert (codes_of(body), json.loads(problem)["status"]) == (CODES, 400)


@pytest.mark.parametrize("what", ["first head", "later head", "body"])
def test_a_request_within_another_is_none(client, loaded_id, what):
    """What looks like a common request, and comes by itself, is a header's value or a body."""
    within = request(loaded_id, ROWS)
    rest = f"host: localhost\r\ncontent-length: {len(within)}\r\n\r\n" if what == "body" else "x-note: "
    outer = f"POST /nothing HTTP/1.1\r\n{rest}".encode()
    with Connection(client) as connection:
        if what == "later head":
            connection.ask(request(loaded_id, ROWS, *UNCOMMON))
        for part in (outer, within):
            connection.send(part)
            time.sleep(0.05)
        connection.send(request(loaded_id, ROWS[::-1]))
        [(_, refusal), (_, body)] = connection.receive(2)
    assert (json.loads(refusal)["status"], codes_of(body)) == (404, CODES[::-1])


@pytest.mark.parametrize("sent", [1, 0.9], ids=["whole", "in part"])
def test_an_answer_that_is_due_is_given_before_the_end(base_settings, serve, tmp_path, monkeypatch, sent):
    with serve(base_settings.model_copy(update={"data_dir": tmp_path})) as api:
        model_id = api.model()
        encode(api.client, model_id)
        slow_down(api.app.state.services.encoders.get(model_id), monkeypatch)
        connection, whole = Connection(api.client), request(model_id, ROWS)
        part = int(sent * len(whole))
        connection.send(whole[:part])
        threading.Timer(0.2, lambda: connection.send(whole[part:])).start()
        time.sleep(0.1)
    with connection:
        [(headers, body)] = connection.receive(1)
    assert (headers["connection"], codes_of(body)) == ("close", CODES)


def fail_slowly(_rows, *, with_doubt):
    time.sleep(0.3)
    raise RuntimeError(f"broken, {with_doubt}")


def test_a_refusal_that_is_due_is_given_before_the_end(base_settings, serve, tmp_path, monkeypatch):
    with serve(base_settings.model_copy(update={"data_dir": tmp_path})) as api:
        model_id = api.model()
        encode(api.client, model_id)
        monkeypatch.setattr(api.app.state.services.encoders.get(model_id), "encode", fail_slowly)
        connection = Connection(api.client)
        connection.send(request(model_id, ROWS))
        time.sleep(0.1)
    with connection:
        [(headers, body)] = connection.receive(1)
    assert (headers["connection"], json.loads(body)["status"]) == ("close", 500)


@pytest.mark.usefixtures("slow_encoder")
@pytest.mark.parametrize("is_together", [True, False])
def test_a_client_that_sends_ahead_fills_no_memory(client, loaded_id, is_together):
    """It sends until nobody reads it any more, which is long before all that it has to send."""
    requests = request(loaded_id, ROWS) * 1000
    with Connection(client) as connection:
        if not is_together:
            connection.send(request(loaded_id, ROWS))
            time.sleep(0.05)
        assert connection.send_ahead(requests, times=300) < 100


def test_a_client_that_reads_no_answers_fills_no_memory(client, loaded_id):
    """Its answers are made one after the other until there is no room for them on the way to it."""
    each = request(loaded_id, np.tile(ROWS, (330, 1))).replace(f"accept: {RAW}".encode(), b"accept: */*")
    with Connection(client, buffer_bytes=4096) as connection:
        assert any(not is_answered(client, connection, each) for _ in range(400))


def is_answered(client, connection, request):
    """Whether a request that is sent now is answered within a second, be it read by the client or not."""
    before, _ = count(client, 200)
    connection.send(request)
    deadline = time.monotonic() + 1
    while count(client, 200)[0] == before:
        if time.monotonic() > deadline:
            return False
    return True


def test_nobody_hears_of_a_failure_after_he_has_gone(api, client, loaded_id, monkeypatch, caplog):
    monkeypatch.setattr(api.app.state.services.encoders.get(loaded_id), "encode", fail_slowly)
    connection = Connection(client)
    connection.send(request(loaded_id, ROWS))
    time.sleep(0.1)
    connection.reset()
    time.sleep(0.4)
    assert client.get("/livez").status_code == 200
    assert caplog.messages == []


@pytest.mark.parametrize("headers", [[], UNCOMMON], ids=["short", "long"])
def test_what_comes_before_nonsense_is_answered(client, loaded_id, headers):
    with Connection(client) as connection:
        connection.send(request(loaded_id, ROWS, *headers), b"nonsense\r\n\r\n")
        [(_, body), (refusal, _)] = connection.receive(2)
        assert (refusal["connection"], codes_of(body)) == ("close", CODES)


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
