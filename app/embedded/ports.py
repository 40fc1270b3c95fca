"""Finds a free port."""

import random
import socket

# Below the systems' range for outgoing connections, so that no connection takes a server's port while it
# restarts.
FIRST_PORT, LAST_PORT = 20_000, 32_000
ATTEMPTS = 200


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of `host` on which nothing listens now.

    Raises:
        OSError: None was found.
    """
    for port in random.sample(range(FIRST_PORT, LAST_PORT), ATTEMPTS):
        if is_free(host, port):
            return port
    raise OSError(f"no free port found on {host} between {FIRST_PORT} and {LAST_PORT}")


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on `port` of `host`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: connections in TIME_WAIT after a restart do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError:
            return False
    return True
