"""ASGI middleware: time limits for slow uploads and slow readers, and a bound on buffered output."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problems import ApiError
from app.settings import ApiSettings

# Of a response that the client does not read, the server holds this much beside the system's buffers.
PIECE_BYTES = 1 << 15  # fits into the system's buffer, so the last piece can always be sent
# Enough for a client that reads while it sends, and for one that does not but sends little. One that would
# send gigabytes first is cut off.
DRAIN_BYTES = 32 << 20
DRAIN_S = 2.0
DRAIN_QUIET_S = 0.5  # a client that sends nothing for this long is taken to be reading


class SlowBodyError(ApiError, status=408, code="body_timeout", retryable=True):
    """The body arrives too slowly; the connection is closed, as the rest was not read."""


class SlowReaderError(Exception):
    """A client has stopped reading its response."""


class TransferMiddleware:
    """Closes stalled connections, and drains the body of a request that is answered early.

    Closing a connection with unread bytes resets it, and the client may lose the response. So before an
    early response some of the remaining body is read and dropped.

    Args:
        app: The next ASGI application.
        settings: Hold the time limits.
    """

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._timeout_s = settings.body_timeout_s
        self._min_rate = settings.min_body_rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = body_length(scope["headers"])
        is_asking_first = any(name == b"expect" for name, _ in scope["headers"])  # before it sends a body
        body = None if length == 0 else _Body(receive, length, self._timeout_s, self._min_rate)

        async def send_in_time(message: Message) -> None:
            if message["type"] == "http.response.body":
                await send_pieces(send, message, self._timeout_s)
                return
            if body is not None and not body.is_complete:
                if is_asking_first:
                    message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
                else:
                    await body.drain()
            await send(message)

        await self._app(scope, receive if body is None else body.receive, send_in_time)


class _Body:
    """The body of one request, received with time limits.

    Args:
        receive: The ASGI receive channel.
        length: Its declared length; None if unknown.
        timeout_s: The longest wait for the next piece.
        min_rate: Least bytes a second, after a first `timeout_s`.
    """

    def __init__(self, receive: Receive, length: int | None, timeout_s: float, min_rate: int) -> None:
        self._receive = receive
        self._length = length
        self._timeout_s = timeout_s
        self._min_rate = min_rate
        self._received = 0
        self._waited_s = 0.0
        self.is_complete = False

    async def receive(self) -> Message:
        """Return the next piece; after the last one, the message that the client has disconnected.

        Raises:
            SlowBodyError: It does not arrive in time.
        """
        if self.is_complete:
            return await self._receive()
        left_s = self._timeout_s + self._received / self._min_rate - self._waited_s
        began = monotonic()
        try:
            async with asyncio.timeout(min(self._timeout_s, left_s)):
                message = await self._receive()
        except TimeoutError:
            raise SlowBodyError(
                f"the body arrived too slowly: {self._received} bytes came in time; at least "
                f"{self._min_rate} bytes a second are needed, with pauses of at most {self._timeout_s:g} s",
                headers={"Connection": "close"},
            ) from None
        self._waited_s += monotonic() - began
        self._received += len(message.get("body", b""))
        if not message.get("more_body", False):
            self.is_complete = True
        elif self._received == self._length:
            self.is_complete = True
            return {**message, "more_body": False}
        return message

    async def drain(self) -> None:
        """Read and drop the rest of the body, within limits of bytes and time."""
        end = self._received + DRAIN_BYTES
        deadline = monotonic() + DRAIN_S
        with suppress(TimeoutError, SlowBodyError):
            while not self.is_complete and self._received < end and monotonic() < deadline:
                async with asyncio.timeout(DRAIN_QUIET_S):
                    await self.receive()


async def send_pieces(send: Send, message: Message, timeout_s: float) -> None:
    """Send a part of a response's body in pieces, each once the one before has been taken.

    Raises:
        SlowReaderError: A piece was not taken in time.
    """
    content, is_last = message.get("body", b""), not message.get("more_body", False)
    if is_last and len(content) <= PIECE_BYTES:  # nothing to wait for
        await send(message)
        return
    for start in range(0, max(1, len(content)), PIECE_BYTES):
        end = start + PIECE_BYTES
        has_more = not is_last or end < len(content)
        piece = {"type": message["type"], "body": content[start:end], "more_body": has_more}
        try:
            async with asyncio.timeout(timeout_s):
                await send(piece)
        except TimeoutError:
            raise SlowReaderError from None


def body_length(fields: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Return the length of a request's body in bytes: 0 if there is no body, None if unknown."""
    length: int | None = 0
    for name, value in fields:
        if name == b"content-length":
            return int(value)  # the server has refused anything that is not a number
        if name == b"transfer-encoding":
            length = None
    return length
