"""A proxy before a server, which can stop passing anything on, as a stopped server says nothing."""

import socket
import threading
from contextlib import contextmanager, suppress

import sqlalchemy as sa


class Proxy:
    """Passes bytes on between clients and a server, until it is told to be silent.

    Args:
        server: Its host and port, or the path of its Unix socket.
        host: Where clients come in.
    """

    def __init__(self, server, host="127.0.0.1"):
        self._server = server
        self._listener = socket.create_server((host, 0))
        self._is_talking = threading.Event()
        self._is_talking.set()
        self._sockets = [self._listener]
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def be_silent(self, *, is_silent=True):
        (self._is_talking.clear if is_silent else self._is_talking.set)()

    def close(self):
        self._is_talking.set()
        for each in self._sockets:
            shut(each)
            each.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = self._connect()
                except OSError:  # it is down at the moment
                    client.close()
                    continue
                self._sockets += [client, server]
                self._join(client, server)

    def _connect(self):
        if not isinstance(self._server, str):
            return socket.create_connection(self._server)
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._server)
        return server

    def _join(self, client, server):
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source, target):
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                self._is_talking.wait()
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)


def shut(each):
    """Have whoever waits for this socket see its end."""
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(database_url):
    """A database's address by way of a proxy, and that."""
    url = sa.make_url(database_url)
    proxy = Proxy((url.host, url.port or 5432))
    try:
        yield url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False), proxy
    finally:
        proxy.close()
