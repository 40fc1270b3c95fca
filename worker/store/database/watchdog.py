"""Cuts connections to a PostgreSQL server that does not answer, such as a stopped process.

Its machine still acknowledges every packet, so neither TCP nor the server's own timeouts end the wait, and
the driver has no timeout for a response.
"""

import logging
import socket
import threading
import time
from typing import Protocol

CHECK_INTERVAL_S = 0.5

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """The part of a driver's connection that is used here."""

    def fileno(self) -> int:
        """The file descriptor of its socket."""


class ConnectionWatchdog:
    """A thread that cuts connections in use beyond their time limit; it starts with the first connection."""

    def __init__(self) -> None:
        self._deadlines: dict[int, tuple[float, Connection]] = {}
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, connection: Connection, limit_s: float) -> None:
        """Cut the connection after `limit_s`, unless `forget` or `watch` is called for it before."""
        with self._lock:
            self._deadlines[id(connection)] = (time.monotonic() + limit_s, connection)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="database-watchdog", daemon=True)
                self._thread.start()

    def forget(self, connection: object) -> None:
        """Stop watching the connection."""
        with self._lock:
            self._deadlines.pop(id(connection), None)

    def stop(self) -> None:
        """End the thread."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(CHECK_INTERVAL_S):
            with self._lock:  # so that no descriptor is closed and reused meanwhile
                now = time.monotonic()
                late = [key for key, (deadline, _) in self._deadlines.items() if deadline < now]
                for key in late:
                    _cut(self._deadlines.pop(key)[1])


def _cut(connection: Connection) -> None:
    from psycopg import Error  # noqa: PLC0415 - not loaded with SQLite

    try:
        with socket.fromfd(connection.fileno(), socket.AF_UNSPEC, socket.SOCK_STREAM) as end:
            end.shutdown(socket.SHUT_RDWR)
    except (OSError, Error):  # it has just been closed
        return
    _log.warning("the database did not answer in time: the connection was cut")
