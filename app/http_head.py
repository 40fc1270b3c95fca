"""Reads the head of one request by itself, as uvicorn's parser would read it."""

from typing import TypeAlias

import httptools

Fields: TypeAlias = list[tuple[bytes, bytes]]
"""Names, in lower case, and values of a request's headers."""


def read_http(head: bytes) -> tuple[str, str, Fields] | None:
    """Return method, target and headers; None unless it is one head, after which the connection stays."""
    reader = _Reader()
    try:
        reader.parser.feed_data(head)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    if reader.requests != 1 or reader.has_body or not reader.stays:
        return None
    return reader.parser.get_method().decode("ascii"), reader.url.decode("latin-1"), reader.fields


class _Reader:
    """Notes what a parser finds."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.url = b""
        self.fields: Fields = []
        self.requests = 0
        self.stays = False
        self.has_body = False

    def on_message_begin(self) -> None:
        self.requests += 1

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        # Asked after the end of a request the parser would say yes.
        self.stays = self.parser.get_http_version() == "1.1" and self.parser.should_keep_alive()

    def on_body(self, _: bytes) -> None:
        self.has_body = True
