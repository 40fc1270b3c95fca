"""Connections of one process: how many there may be, and what those beyond them are told."""

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

LOOK_EVERY_S = 1.0
OTHER_DESCRIPTORS = 256  # of files, models and databases
# Beyond the connections that are served, some are taken to be told why; others wait in the system's queue.
REFUSED_SHARE = 0.1


class ConnectionLimit:
    """Refuses requests while more connections are open than the process should hold.

    Args:
        settings: Say how many; there are at most as many as there can be descriptors.
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
        """Whether more connections are open than are served."""
        return self._open > self.served

    def check(self) -> None:
        """Refuse a request where too many connections are open.

        Raises:
            UnavailableError: There are.
        """
        if self.is_full:
            raise UnavailableError(
                f"more than {self.served} connections are open", code="too_many_connections"
            )

    def give_up(self, client: tuple[str, str | int]) -> None:
        """Have the connection of a client ended soon, which the server would go on writing to."""
        self._given_up.add((client[0], int(client[1])))

    async def watch(self) -> None:
        """Count, again and again, and end what was given up.

        Nearly all descriptors of a busy process are connections.
        """
        while True:
            self._open = self._process.num_fds()
            if self._given_up:
                given_up, self._given_up = frozenset(self._given_up), set()
                await run_in_threadpool(end_connections, given_up)
            await asyncio.sleep(LOOK_EVERY_S)


def end_connections(clients: AbstractSet[Address] | None = None, *, port: int | None = None) -> None:
    """Shut down connections of this process: those of some clients, or all that came to a port."""
    for connection in psutil.Process().net_connections("tcp"):
        is_meant = connection.laddr.port == port if clients is None else tuple(connection.raddr) in clients
        if connection.raddr and is_meant:
            with suppress(OSError), socket.fromfd(connection.fd, connection.family, connection.type) as end:
                end.shutdown(socket.SHUT_RDWR)


def raise_descriptor_limit() -> None:
    """Let this process open as many files and connections as the system allows it to."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
