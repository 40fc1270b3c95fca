"""Traces go to a collector where one is named, and nowhere else."""

import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest

from app.settings import ApiSettings


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((self.path, body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    server = HTTPServer(("127.0.0.1", 0), Collector)
    server.received = []
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_request_is_traced_by_its_route(start_api, tmp_path, collector):
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_SERVICE_NAME": "catvq",
    }
    with start_api(tmp_path, **settings) as api:
        assert httpx.get(f"{api.url}/v1/jobs/job_unknown").status_code == 404
        deadline = time.monotonic() + 20
        while not any(b"/v1/jobs/{job_id}" in body for _, body in collector.received):
            assert time.monotonic() < deadline, api.log.read_text()
            time.sleep(0.05)
    assert {path for path, _ in collector.received} == {"/v1/traces"}


def test_without_a_collector_nothing_is_traced(monkeypatch):
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert ApiSettings().otlp_endpoint is None
