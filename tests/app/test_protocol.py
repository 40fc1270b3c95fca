"""What is no HTTP request is refused like everything else, and HEAD is answered wherever GET is."""

import json
import socket

import pytest

PROBLEM = "application/problem+json"
UPGRADE = (
    "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def answer_to(client, request):
    """The head and the body of what the server says before it closes the connection."""
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(request.encode("latin-1"))
        received = b""
        while more := connection.recv(65536):
            received += more
    head, _, body = received.decode().partition("\r\n\r\n")
    return head.lower(), body


@pytest.mark.parametrize(
    "request_text",
    [
        "hello\r\n\r\n",
        "BREW /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "GET /v1/jobs/\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        f"GET /v1/jobs/{'x' * 70_000} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: many\r\n\r\n",
        f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {10**30}\r\n\r\n",
        "POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_what_is_no_request_is_a_problem_with_an_id(client, request_text):
    head, body = answer_to(client, request_text)
    document = json.loads(body)
    assert head.startswith("http/1.1 400 ")
    assert f"content-type: {PROBLEM}" in head
    assert "connection: close" in head
    assert (document["status"], document["code"], document["errors"]) == (400, "invalid_http", [])
    assert f"x-request-id: {document['instance'].rpartition(':')[2]}" in head


def test_a_wish_for_another_protocol_is_left_aside(client):
    head, body = answer_to(client, UPGRADE)
    assert head.startswith("http/1.1 200 ")
    assert "x-request-id: " in head
    assert json.loads(body) == {"status": "ok"}


@pytest.mark.parametrize("path", ["/v1", "/livez", "/v1/jobs", "/v1/models/{}/artifact", "/v1/models/nope"])
def test_head_says_what_get_would_and_sends_nothing(client, model_id, path):
    path = path.format(model_id)
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    named = ["content-type", "content-length", "etag"]
    assert [head.headers.get(name) for name in named] == [get.headers.get(name) for name in named]
    raw, body = answer_to(client, f"HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert (raw.startswith(f"http/1.1 {get.status_code} "), body) == (True, "")


def test_head_is_not_offered_where_get_is_not(client, model_id):
    answer = client.head(f"/v1/models/{model_id}/encodings")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
