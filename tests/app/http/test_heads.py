"""Heads that no route should see are refused, and HEAD is answered wherever GET is."""

import json
import socket

import pytest

PROBLEM = "application/problem+json"
HEAD = "{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}\r\n"


def answer_to(client, request):
    """The head and the body of what the server says before it closes the connection."""
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(request.encode("latin-1"))
        received = connection.makefile("rb").read()
    head, _, body = received.decode().partition("\r\n\r\n")
    return head.lower(), body


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("hello\r\n\r\n", 400),
        ("GET /livez HTTP/2.0\r\nHost: localhost\r\n\r\n", 400),
        (HEAD.format("GET /v1/jobs/\xff", ""), 400),
        (HEAD.format("GET /livez", "A b: c\r\n"), 400),
        (HEAD.format("POST /v1/jobs", "Content-Length: many\r\n"), 400),
        (HEAD.format("POST /v1/jobs", f"Content-Length: {10**30}\r\n"), 400),
        (HEAD.format("POST /v1/jobs", "Content-Length: 1\r\nContent-Length: 2\r\n"), 400),
        (HEAD.format(f"GET /v1/jobs/{'x' * 70_000}", ""), 414),
        (HEAD.format("GET /livez", "A: b\r\n" * 99), 431),
        (HEAD.format("GET /livez", f"A: {'b' * 200_000}\r\n"), 431),
    ],
)
def test_what_cannot_be_parsed_gets_a_bare_status(client, request_text, status):
    head, _ = answer_to(client, request_text)
    assert head.startswith(f"http/1.1 {status} ")
    assert "connection: close" in head


@pytest.mark.parametrize(
    ("request_text", "status", "code"),
    [
        ("GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "invalid_host"),
        ("GET /livez HTTP/1.0\r\n\r\n", 400, "invalid_host"),
        ("GET /livez HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", 400, "invalid_host"),
        (HEAD.format("GET /livez", "Host: localhost\r\n"), 400, "not_parseable"),
        (HEAD.format("GET /v1", "Origin: http://localhost\r\nOrigin: http://a\r\n"), 400, "not_parseable"),
        (HEAD.format("GET /v1", "Authorization: a\r\nAuthorization: b\r\n"), 400, "not_parseable"),
        (HEAD.format("POST /v1/jobs", "Transfer-Encoding: gzip, chunked\r\n"), 400, "not_parseable"),
        (HEAD.format("POST /v1/jobs", "Transfer-Encoding: chunked\r\n" * 2), 400, "not_parseable"),
        (HEAD.format("GET /v1%0A", ""), 400, "invalid_path"),
        (HEAD.format("GET /v1/jobs/%C2%85", ""), 400, "invalid_path"),
        (HEAD.format("GET /v1/jobs/%E2%80%A8", ""), 400, "invalid_path"),
        (HEAD.format("GET /v1/jobs/%FF", ""), 400, "invalid_path"),
        (HEAD.format("OPTIONS *", ""), 400, "invalid_path"),
        (HEAD.format("GET /livez", f"A: {'b' * 65_500}\r\n"), 431, "head_too_large"),
    ],
)
def test_what_no_route_should_see_is_a_problem_with_an_id(client, request_text, status, code):
    head, body = answer_to(client, request_text)
    document = json.loads(body)
    assert head.startswith(f"http/1.{int('HTTP/1.1' in request_text)} {status} ")
    assert f"content-type: {PROBLEM}" in head
    assert (document["status"], document["code"]) == (status, code)
    assert f"x-request-id: {document['instance'].rpartition(':')[2]}" in head


def test_a_large_head_within_the_limits_is_taken(client):
    fields = "".join(f"x-{number}: {'y' * 600}\r\n" for number in range(97))
    head, body = answer_to(client, HEAD.format("GET /livez", fields))
    assert (head.split()[1], json.loads(body)) == ("200", {"status": "ok"})


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_an_offer_of_another_protocol_is_left_aside_with_its_body_kept(client, protocol):
    rows = "a,b\n1,2\n3,4\n"
    offer = f"Content-Type: text/csv\r\nContent-Length: {len(rows)}\r\nUpgrade: {protocol}\r\n"
    start = "POST /v1/datasets?name=h2c HTTP/1.1\r\nHost: localhost\r\nConnection: close, Upgrade\r\n"
    head, body = answer_to(client, f"{start}{offer}HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n{rows}")
    assert head.split()[1] in {"200", "201"}
    assert json.loads(body)["rows"] == 2


@pytest.mark.parametrize("path", ["/v1", "/livez", "/v1/jobs", "/v1/models/{}/artifact", "/v1/models/nope"])
def test_head_says_what_get_would_and_sends_nothing(client, model_id, path):
    path = path.format(model_id)
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    named = ["content-type", "content-length", "etag"]
    assert [head.headers.get(name) for name in named] == [get.headers.get(name) for name in named]
    raw, body = answer_to(client, HEAD.format(f"HEAD {path}", ""))
    assert (raw.startswith(f"http/1.1 {get.status_code} "), body) == (True, "")


def test_head_is_not_offered_where_get_is_not(client, model_id):
    answer = client.head(f"/v1/models/{model_id}/encodings")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
