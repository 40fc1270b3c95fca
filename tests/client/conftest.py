"""A small HTTP server that answers as it is told, for what the real service does only rarely."""

import json
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from catvq_client.cli import app
from typer.testing import CliRunner


@dataclass
class Answer:
    status: int = 200
    document: object = None
    headers: dict = field(default_factory=dict)
    content: bytes | None = None
    drops_connection: bool = False
    missing_bytes: int = 0  # of the body, after which the connection ends
    delay_s: float = 0


@dataclass
class Request:
    method: str
    path: str
    headers: dict
    body: bytes


class ScriptedServer(ThreadingHTTPServer):
    """Gives the answers in `answers` one after the other, the last one again and again."""

    daemon_threads = True
    request_queue_size = 64  # 5 by default: of more connections at once, some are reset

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = [Answer()]
        self.requests = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self):
        body = self._body()
        self.server.requests.append(Request(self.command, self.path, dict(self.headers), body))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer.drops_connection:
            self.close_connection = True
            return
        time.sleep(answer.delay_s)
        content = json.dumps(answer.document).encode() if answer.content is None else answer.content
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 304:
            self.send_header("Content-Length", str(len(content) + answer.missing_bytes))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection |= answer.missing_bytes > 0

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names that http.server calls

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def scripted():
    server = ScriptedServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def answer():
    return Answer


@pytest.fixture
def unused_port():
    """A port on which nobody listens; held until the test ends, so that nobody starts to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def catvq(scripted, monkeypatch):
    """Runs the command against the scripted server."""
    monkeypatch.delenv("CATVQ_API_KEY", raising=False)
    monkeypatch.setenv("CATVQ_URL", scripted.url)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)

    return run
