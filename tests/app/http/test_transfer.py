"""A client that is still sending hears why it was refused, however it is made."""

import http.client
import time

import pytest

from app.http import transfer

BODY = b"1,2\n" * (4 << 20)  # 16 MiB: more than the sockets of both ends hold


def send_all_then_listen(client, path, content_type):
    """What a client hears that looks at the answer only when it has sent its whole body."""
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=30)
    headers = {"Content-Type": content_type, "Connection": "close"}
    try:
        connection.request("POST", path, BODY, headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "content_type", "status"),
    [
        ("/v1/datasets", "text/csv", 413),
        ("/v1/datasets", "text/plain", 415),
        ("/v1/jobs", "application/json", 413),
        ("/v1/models/nope/encodings", "text/csv", 404),
        ("/v1/nothing", "text/csv", 404),
    ],
)
def test_a_client_that_sends_everything_first_hears_the_answer(client, path, content_type, status):
    assert send_all_then_listen(client, path, content_type) == status


def test_a_client_that_never_sends_the_rest_is_not_waited_for_long(client, monkeypatch):
    monkeypatch.setattr(transfer, "DRAIN_S", 0.2)
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=30)
    connection.putrequest("POST", "/v1/datasets")
    connection.putheader("Content-Type", "text/csv")
    connection.putheader("Content-Length", str(2 << 30))
    connection.endheaders()
    started = time.monotonic()
    answer = connection.getresponse()
    assert (answer.status, answer.read()[:1]) == (413, b"{")
    assert connection.sock is None or connection.sock.recv(1) == b""  # the server closes the connection
    assert time.monotonic() - started < 5
    connection.close()
