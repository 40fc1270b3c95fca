"""Ends the wait for a PostgreSQL server that is there but says nothing, such as a stopped process.

Its system still acknowledges every packet, so that neither TCP nor the server's own timeouts end the wait,
and the driver has no timeout for an answer. What ends it is that the connection is cut.
"""

import logging
import socket
import threading
import time
from typing import Protocol

LOOK_INTERVAL_S = 0.5

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """What is needed of a driver's connection."""

    def fileno(self) -> int:
        """The descriptor of its socket."""


class SilenceWatch:
    """A thread that cuts connections which are in use beyond their time; it begins with the first one."""

    def __init__(self) -> None:
        self._deadlines: dict[int, tuple[float, Connection]] = {}
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, connection: Connection, limit_s: float) -> None:
        """Cut the connection after this time, unless it is forgotten or watched anew before."""
        with self._lock:
            self._deadlines[id(connection)] = (time.monotonic() + limit_s, connection)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="silence", daemon=True)
                self._thread.start()

    def forget(self, connection: object) -> None:
        """Leave the connection alone from now on."""
        with self._lock:
            self._deadlines.pop(id(connection), None)

    def stop(self) -> None:
        """End the thread."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(LOOK_INTERVAL_S):
            with self._lock:  # so that none is closed, and its number used by another file, meanwhile
                now = time.monotonic()
                late = [key for key, (deadline, _) in self._deadlines.items() if deadline < now]
                for key in late:
                    _cut(self._deadlines.pop(key)[1])


def _cut(connection: Connection) -> None:
    from psycopg import Error  # noqa: PLC0415 - nobody needs the driver where there is no PostgreSQL

    try:
        with socket.fromfd(connection.fileno(), socket.AF_UNSPEC, socket.SOCK_STREAM) as end:
            end.shutdown(socket.SHUT_RDWR)
    except (OSError, Error):  # it has just ended by itself
        return
    _log.warning("the database was silent for too long: its connection is cut")
