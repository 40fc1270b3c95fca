"""An S3 server of the tests' own, and a proxy before it that fails in the ways that networks do."""

import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import httpx

from tests.proxy import Proxy, shut

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "hidden-key-id",
    "AWS_SECRET_ACCESS_KEY": "hidden-secret",
    "AWS_REGION": "us-east-1",
}
FAILURE = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
# As AWS answers a wrong signature: with parts of the credentials.
_QUOTED = b"<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>hidden-key-id</AWSAccessKeyId></Error>"
REFUSAL = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(_QUOTED) + _QUOTED
)


@contextmanager
def running_s3():
    """Start the server; yields its host and port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield "127.0.0.1", port
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class S3:
    """A bucket of a test's own; `faults` stands between it and its users."""

    bucket: str
    endpoint: str
    faults: "FaultyProxy"

    @property
    def settings(self):
        return {"storage_url": f"s3://{self.bucket}/some/prefix", "s3_endpoint": self.endpoint}

    @property
    def environment(self):
        named = {f"CATVQ_{name.upper()}": value for name, value in self.settings.items()}
        return os.environ | named | CREDENTIALS

    def object_names(self):
        """All objects, without the prefix."""
        listed = httpx.get(f"{self.endpoint}/{self.bucket}?list-type=2").text
        return sorted(part.partition("<")[0] for part in listed.split("<Key>some/prefix/")[1:])


@contextmanager
def new_bucket(server, host="127.0.0.1"):
    proxy = FaultyProxy(server, host)
    try:
        bucket = S3(f"bucket-{uuid.uuid4().hex[:12]}", f"http://{host}:{proxy.port}", proxy)
        httpx.put(f"{bucket.endpoint}/{bucket.bucket}").raise_for_status()
        yield bucket
    finally:
        proxy.close()


class FaultyProxy(Proxy):
    """Passes bytes on, each piece after a delay, until `is_away`.

    The next `errors` requests are answered with `error`, and the next `cuts` answers end in their middle.
    """

    def __init__(self, server, host="127.0.0.1"):
        self.errors = self.cuts = 0
        self.error = FAILURE
        self.delay_s = 0.0
        self.is_away = False
        super().__init__(server, host)

    def _join(self, client, server):
        for source, target, act in ((client, server, self._refuse), (server, client, self._cut)):
            threading.Thread(target=self._pass_or_act, args=(source, target, act), daemon=True).start()

    def _pass_or_act(self, source, target, act):
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                time.sleep(self.delay_s)
                if self.is_away or act(source, target, piece):
                    break
                target.sendall(piece)
        shut(source)
        shut(target)

    def _refuse(self, client, _server, piece):
        if self.errors > 0 and piece.split(b" ")[0] in {b"GET", b"PUT", b"POST", b"HEAD", b"DELETE"}:
            self.errors -= 1
            client.sendall(self.error)
            return True
        return False

    def _cut(self, _server, client, piece):
        if self.cuts > 0:
            self.cuts -= 1
            client.sendall(piece[: len(piece) // 2])
            return True
        return False
