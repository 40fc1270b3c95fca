"""How the API speaks HTTP: as uvicorn does, but for the requests that go the short way.

And what cannot be read is refused as a problem like any error.
"""

import asyncio
from collections.abc import Sized
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from time import perf_counter
from typing import cast

from starlette.requests import Request
from starlette.types import Scope
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.errors import NotParseableError, problem_response
from app.middleware import common_headers, complete_headers, new_request_id, request_id_of
from app.short_way import Answer, Head, Reply, ShortWay

SHORT_WAY = "short_way"  # the name of a `ShortWay` in the state that an application leaves for its requests


@dataclass(slots=True)
class _Exchange:
    """A request on the short way, as far as its body has come."""

    cycle: RequestResponseCycle
    way: ShortWay
    answer: Answer
    chunks: list[bytes] = field(default_factory=list)
    started: float = field(default_factory=perf_counter)

    @property
    def scope(self) -> Scope:
        return cast("Scope", self.cycle.scope)

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)


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

    A request goes the short way where the application has left one, it is a common one, and nobody
    wishes for a line about each request. All others go to the application.
    """

    _exchange: _Exchange | None = None  # until it is answered
    _head: Head | None = None  # of the last request that could go the short way

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)

    def on_response_complete(self) -> None:
        """Go on to the next request, the rest of which may still have to be read."""
        super().on_response_complete()
        self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        way: ShortWay | None = self.app_state.get(SHORT_WAY)
        is_usual = app is self.app and not self.config.access_log and not self.flow.write_paused
        answer = self._find(way, cast("Scope", cycle.scope)) if way and is_usual else None
        if not way or not answer:
            super()._start_asgi_task(cycle, app)
            return
        self._exchange = _Exchange(cycle, way, answer, [bytes(cycle.body)])
        if not cycle.more_body:  # it waited for the one before it
            self._answer(self._exchange)

    def _find(self, way: ShortWay, scope: Scope) -> Answer | None:
        if not self._head or not self._head.is_repeated_by(scope):
            self._head = way.read_head(scope)
        return way.find(self._head, scope) if self._head else None

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body; what goes the short way is too short to make a client wait."""
        if self._exchange and self._exchange.cycle is self.cycle:
            self._exchange.chunks.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer a request whose body is there."""
        super().on_message_complete()
        if self._exchange and self._exchange.cycle is self.cycle:
            self._answer(self._exchange)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the application hear of a client that has gone before the end of its body."""
        super().connection_lost(exc)
        if self._exchange and self._exchange.cycle.more_body:
            self._go_the_long_way(self._exchange)

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
        exchange.cycle.body = bytearray(exchange.body)
        super()._start_asgi_task(exchange.cycle, self.app)

    def _send(self, exchange: _Exchange, reply: Reply) -> None:
        self._exchange = None
        cycle = exchange.cycle
        parts = [_head(reply.status, (*self.server_state.default_headers, *reply.headers))]
        if reply.status != HTTPStatus.NOT_MODIFIED:
            parts.append(b"content-length: %d\r\n" % len(reply.body))
        if not cycle.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(b"x-request-id: %b\r\n\r\n" % request_id_of(exchange.scope).encode())
        parts.append(reply.body)
        cycle.response_started = cycle.response_complete = True
        if not self.transport.is_closing():  # the client may have gone
            self.transport.write(b"".join(parts))
            if not cycle.keep_alive:
                self.transport.close()
        exchange.way.count(exchange.scope, reply, perf_counter() - exchange.started)
        self.on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request, and close the connection: where the next one begins is unknown.

        A complete request before it is answered first, and its answer is the last one.
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
