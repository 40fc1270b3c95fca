"""What is read as one head, and what is left to the server's own parser."""

import pytest

from app.http_head import read_http

HEAD = b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_head_is_read_with_its_names_in_lower_case():
    assert read_http(HEAD) == ("POST", "/a?b", [(b"host", b"x"), (b"content-length", b"3")])
    assert read_http(GET) == ("GET", "/a", [(b"host", b"x")])


@pytest.mark.parametrize(
    "head",
    [
        HEAD[:-2],
        HEAD + b"a",
        HEAD.replace(b"1.1", b"1.0"),
        HEAD.replace(b"Host: x", b"Connection: close"),
        HEAD.replace(b"Host: x", b"Connection: Upgrade\r\nUpgrade: websocket"),
        HEAD.replace(b"Host: x", b"Content-Length: 4"),
        HEAD.replace(b"3", b"-3"),
        GET.replace(b"Host: x", b"Connection: close"),
        GET.replace(b"Host: x", b"Connection: keep-alive, close"),
        GET.replace(b"1.1", b"1.0"),
        b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
        b"GET /a HTTP/1.1\n\nGET /b HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_is_not_one_head_of_a_connection_that_stays_is_left_alone(head):
    assert read_http(head) is None
