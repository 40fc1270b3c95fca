"""mosec with its msgpack worker; batches are filled for a millisecond at most."""

import sys
from typing import Any

import numpy as np
from mosec import Server, Worker
from mosec.mixin import MsgpackMixin
from session import Session

PORT = sys.argv[1]
FEATURES = 298


class Encode(MsgpackMixin, Worker):
    """Encodes the rows of a batch of requests."""

    def __init__(self) -> None:
        super().__init__()
        self._session = Session()

    def forward(self, data: list[bytes]) -> list[bytes]:
        """Encode raw rows to raw codes."""
        requests: list[Any] = [np.frombuffer(body, "<f4").reshape(-1, FEATURES) for body in data]
        return [codes.tobytes() for codes in self._session.encode_each(requests)]


if __name__ == "__main__":
    sys.argv[1:] = ["--port", PORT, "--address", "127.0.0.1"]
    server = Server()
    server.append_worker(Encode, num=1, max_batch_size=64, max_wait_time=1)
    server.run()
