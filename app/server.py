"""Runs the HTTP server (granian), with limits on heads and idle connections."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from app.embedded.ports import is_free
from app.http.connections import end_connections
from app.requests.fast_path import FastPath
from app.settings import ApiSettings

STOP_TIMEOUT_S = 5  # then long polls and event streams are cut off
BACKLOG = 4096

_log = logging.getLogger(__name__)


class CannotListenError(RuntimeError):
    """Listening on the address failed; the text says why."""


async def serve(
    app: FastAPI,
    settings: ApiSettings,
    *,
    port: int,
    on_ready: Callable[[Callable[[], None]], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM or SIGINT, or until the function passed to `on_ready` is called.

    Args:
        app: Created by `create_app` with the same settings; it is started and stopped here.
        settings: Hold the address and the limits.
        port: Above 0; several processes may listen on it.
        on_ready: Called once requests are answered, with a function that stops the server.
    """
    async with LifespanManager(app, startup_timeout=None, shutdown_timeout=None):
        fast_path = FastPath(app)
        watching = asyncio.create_task(fast_path.watch())
        server = Server(
            fast_path,
            address=_address_of(settings.host),
            port=port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            backpressure=app.state.services.connections.taken,
            http1_settings=HTTP1Settings(
                header_read_timeout=round(1000 * settings.head_timeout_s),
                max_buffer_size=settings.max_head_bytes,
            ),
            log_enabled=False,
        )
        serving = asyncio.create_task(server.serve())
        loop = asyncio.get_running_loop()

        def stop() -> None:
            server.stop()  # type: ignore[no-untyped-call]
            loop.call_later(STOP_TIMEOUT_S, fast_path.cancel)
            loop.call_later(STOP_TIMEOUT_S + 1, partial(end_connections, port=port))

        with suppress(ValueError, RuntimeError):  # not the main thread
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, stop)
        _log.info("listening on http://%s:%d", settings.host, port)
        on_ready(stop)
        await serving
        watching.cancel()


def check_port(host: str, port: int) -> None:
    """Check that no other server listens on the port: the system would distribute connections to both.

    Raises:
        CannotListenError: The port is taken, or the address is not one of this machine.
    """
    if not is_free(host, port):
        raise CannotListenError(
            f"port {port} on {host} is taken, or {host} is not an address of this machine"
        )


def _address_of(host: str) -> str:
    return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
