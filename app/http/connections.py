"""Limits the connections of one process, and closes those of stalled clients."""

import asyncio
import resource
import socket
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any, TypeAlias

import psutil
from starlette.concurrency import run_in_threadpool

from app.problems import UnavailableError
from app.settings import ApiSettings

Address: TypeAlias = tuple[Any, ...]
"""Host and port."""

COUNT_EVERY_S = 1.0
OTHER_DESCRIPTORS = 256  # for files, models and databases
# Beyond the served connections, some are accepted and answered with 503; others wait in the system's backlog.
REFUSED_SHARE = 0.1


class ConnectionLimit:
    """Refuses requests while too many connections are open.

    Args:
        settings: Hold the limit; the limit on file descriptors may lower it.
    """

    def __init__(self, settings: ApiSettings) -> None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.served = min(settings.max_connections, int((soft - OTHER_DESCRIPTORS) / (1 + REFUSED_SHARE)))
        self.taken = max(1, round(self.served * (1 + REFUSED_SHARE)))
        self._process = psutil.Process()
        self._open = 0
        self._given_up: set[Address] = set()

    @property
    def is_full(self) -> bool:
        """Whether more connections are open than may be served."""
        return self._open > self.served

    def check(self) -> None:
        """Refuse a request if too many connections are open.

        Raises:
            UnavailableError: Too many connections are open.
        """
        if self.is_full:
            raise UnavailableError(
                f"more than {self.served} connections are open", code="too_many_connections"
            )

    def give_up(self, client: tuple[str, str | int]) -> None:
        """Close a client's connection at the next count; the server would go on writing to it."""
        self._given_up.add((client[0], int(client[1])))

    async def watch(self) -> None:
        """Count the open connections once a second, and close those that were given up.

        All file descriptors are counted: nearly all of a busy process are connections.
        """
        while True:
            self._open = self._process.num_fds()
            if self._given_up:
                given_up, self._given_up = frozenset(self._given_up), set()
                await run_in_threadpool(end_connections, given_up)
            await asyncio.sleep(COUNT_EVERY_S)


def end_connections(clients: AbstractSet[Address] | None = None, *, port: int | None = None) -> None:
    """Shut down connections of this process: those of some clients, or all on a local port."""
    for connection in psutil.Process().net_connections("tcp"):
        is_meant = connection.laddr.port == port if clients is None else tuple(connection.raddr) in clients
        if connection.raddr and is_meant:
            with suppress(OSError), socket.fromfd(connection.fd, connection.family, connection.type) as end:
                end.shutdown(socket.SHUT_RDWR)


def raise_descriptor_limit() -> None:
    """Raise the soft limit on file descriptors to the hard limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
