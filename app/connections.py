"""Connections of one process: how many there may be, and what those beyond them are told."""

import asyncio
import resource

import psutil

from app.errors import UnavailableError
from app.settings import ApiSettings

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

    async def watch(self) -> None:
        """Count again and again; nearly all descriptors of a busy process are connections."""
        while True:
            self._open = self._process.num_fds()
            await asyncio.sleep(LOOK_EVERY_S)


def raise_descriptor_limit() -> None:
    """Let this process open as many files and connections as the system allows it to."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
