"""Lets a client that is still sending its body read an answer that did not wait for all of it."""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Enough for a client that looks up while it sends, and for one that does not but sends little. One that would
# send gigabytes first is better cut off.
DRAIN_BYTES = 32 << 20
DRAIN_S = 2.0


class DrainMiddleware:
    """Reads and drops some of what a client still sends after its answer, before the connection may close.

    A server that closes a connection with unread bytes in it resets it, and the client may lose the answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        is_received = False

        async def receive_and_note() -> Message:
            nonlocal is_received
            message = await receive()
            is_received = not message.get("more_body", False)
            return message

        async def drain() -> None:
            dropped = 0
            while not is_received and dropped < DRAIN_BYTES:
                dropped += len((await receive_and_note()).get("body", b""))

        async def send_and_drain(message: Message) -> None:
            is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if is_last and not is_received:
                await send({**message, "more_body": True})
                with suppress(TimeoutError):
                    await asyncio.wait_for(drain(), DRAIN_S)
                message = {"type": "http.response.body"}
            await send(message)

        await self._app(scope, receive_and_note, send_and_drain)


def has_body(headers: Headers) -> bool:
    """Whether a request says that it has a body."""
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
