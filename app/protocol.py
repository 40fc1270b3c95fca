"""How the API speaks HTTP: as uvicorn does, but for the requests that go the short way.

And what cannot be read is refused as a problem like any error.
"""

from __future__ import annotations  # those of inner functions would be evaluated in every request

import asyncio
import io
from collections.abc import Sized
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from time import perf_counter
from typing import cast

from starlette.requests import Request
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.errors import NotParseableError, problem_response
from app.middleware import common_headers, complete_headers, new_request_id, request_id_of
from app.short_way import MAX_HEAD_BYTES, Answer, Head, Reply, ShortWay
from worker.store import KeyRecord

SHORT_WAY = "short_way"  # the name of a `ShortWay` in the state that an application leaves for its requests
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(slots=True)
class _Exchange:
    """A request on the short way.

    Args:
        missing: How many bytes of its body have not come yet.
        body: What has come; it grows as that does, whatever length a client may claim.
        is_last: The connection ends with its answer.
    """

    way: ShortWay
    head: Head
    answer: Answer
    key: KeyRecord | None
    missing: int
    body: io.BytesIO = field(default_factory=io.BytesIO)
    is_last: bool = False
    started: float = field(default_factory=perf_counter)

    def receive(self, data: bytes) -> bytes:
        """Take what is missing, and return what comes after it."""
        ahead = data[self.missing :]
        self.missing -= self.body.write(data[: self.missing])
        return ahead


class _Flow(FlowControl):
    """Reads no further while requests wait for those before them, or one client could fill the memory."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read on, if nothing waits."""
        if not self._waiting:
            super().resume_reading()


class Protocol(HttpToolsProtocol):
    """One connection; for `uvicorn --http app.protocol:Protocol`.

    A request goes the short way where the application has left one, it is a common one that comes alone, and
    nobody wishes for a line about each request. All others go to the application.
    """

    _way: ShortWay | None = None
    _exchange: _Exchange | None = None  # until it is answered
    _ahead = b""  # came before that
    _is_between_requests = True  # as uvicorn's parser sees it
    _known: dict[str, KeyRecord | None] | None = None  # what the application need not ask of a request again

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        if not self.config.access_log and self.limit_concurrency is None:
            self._way = self.app_state.get(SHORT_WAY)

    def data_received(self, data: bytes) -> None:
        """Begin a request, take in more of its body, or let uvicorn go on with its own."""
        if not self._exchange:
            self._exchange = self._begin(data)
            if not self._exchange:
                super().data_received(data)
            elif not self._exchange.missing:
                self._answer(self._exchange)
        elif self._exchange.missing:
            ahead = self._exchange.receive(data)
            if not self._exchange.missing:
                self._ahead = ahead
                self._answer(self._exchange)
        else:
            self._ahead += data
            self.flow.pause_reading()

    def _begin(self, data: bytes) -> _Exchange | None:
        """Return a request on the short way, if that is what begins here."""
        is_free = self._is_between_requests and (not self.cycle or self.cycle.response_complete)
        if not self._way or not is_free or self.flow.write_paused:
            return None
        start = data.find(_END_OF_HEAD, 0, MAX_HEAD_BYTES) + len(_END_OF_HEAD)
        head = self._way.read_head(data[:start]) if start >= len(_END_OF_HEAD) else None
        if not head or len(data) > start + head.length:
            return None
        found = self._way.find(head, head.scope(self.server))
        if not found:
            return None
        self._unset_keepalive_if_required()
        exchange = _Exchange(self._way, head, *found, missing=head.length)
        exchange.receive(data[start:])
        return exchange

    def _answer(self, exchange: _Exchange) -> None:
        def deliver(reply: Reply | None) -> None:
            if reply is None:
                self._go_the_long_way(exchange)
            else:
                self._send(exchange, reply)

        try:
            exchange.answer(exchange.body, deliver)
        except Exception:  # noqa: BLE001 - the application meets it again, and answers for it
            self._go_the_long_way(exchange)

    def _go_the_long_way(self, exchange: _Exchange) -> None:
        self._exchange = None
        if not self.parser:  # the client has gone
            return
        self._known = {"key": exchange.key}
        super().data_received(exchange.head.raw + exchange.body.getvalue())
        self._known = None
        if exchange.is_last:
            self.shutdown()
        self._go_on()

    def _send(self, exchange: _Exchange, reply: Reply) -> None:
        self._exchange = None
        parts = [_head(reply.status, (*self.server_state.default_headers, *reply.headers))]
        if reply.status != HTTPStatus.NOT_MODIFIED:
            parts.append(b"content-length: %d\r\n" % len(reply.body))
        if exchange.is_last:
            parts.append(b"connection: close\r\n")
        parts.append(b"x-request-id: %b\r\n\r\n" % request_id_of(exchange.head.fields).encode())
        parts.append(reply.body)
        if not self.transport.is_closing():  # the client may have gone
            self.transport.write(b"".join(parts))
            if exchange.is_last:
                self.transport.close()
        exchange.way.count(exchange.head, reply, perf_counter() - exchange.started)
        self.on_response_complete()
        self._go_on()

    def _go_on(self) -> None:
        """Read what came ahead of an answer, now that uvicorn's parser or nobody has the request."""
        if self._ahead and not self.transport.is_closing():
            ahead, self._ahead = self._ahead, b""
            self.data_received(ahead)

    def on_message_begin(self) -> None:
        """Begin what uvicorn's parser has found."""
        super().on_message_begin()
        self._is_between_requests = False
        self.scope["state"].update(self._known or {})

    def on_message_complete(self) -> None:
        """End it."""
        super().on_message_complete()
        self._is_between_requests = True

    def on_response_complete(self) -> None:
        """Go on to the next request, the rest of which may still have to be read."""
        super().on_response_complete()
        self.flow.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the application hear of a client that has gone before the end of its body."""
        if self._exchange and self._exchange.missing:
            self._go_the_long_way(self._exchange)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close the connection after the answer that is due."""
        if self._exchange:
            self._exchange.is_last = True
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request, and close the connection: where the next one begins is unknown.

        Complete requests before it are answered first.
        """
        if self.cycle and not self.cycle.more_body and not self.cycle.response_complete:
            self.cycle.keep_alive = False
            return
        request_id = new_request_id()
        request = Request({"type": "http", "state": {"request_id": request_id}})
        answer = problem_response(
            request, NotParseableError(msg, code="invalid_http", headers={"Connection": "close"})
        )
        complete_headers(answer.headers, request_id, path=None)
        if self.pipeline:  # the answers before it are due
            self.pipeline[0] = (self.cycle, cast("ASGI3Application", answer))
            return
        headers = (name + b": " + value + b"\r\n" for name, value in answer.raw_headers)
        head = b"HTTP/1.1 400 Bad Request\r\n" + b"".join(headers) + b"\r\n"
        self.transport.write(head + bytes(answer.body))
        self.transport.close()


@lru_cache
def _head(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Return how all alike answers of one second begin."""
    lines = (
        b"%b: %b\r\n" % header for header in (*headers, *common_headers(dict(headers).keys(), path=None))
    )
    return STATUS_LINE[status] + b"".join(lines)
