import http.server
import threading

import pytest

from app.embedded.ports import free_port
from app.embedded.readiness import api_is_ready, worker_answers


@pytest.fixture(params=[200, 503])
def answering(request):
    """A server that answers every request with one status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(request.param if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield server.server_port, request.param
        server.shutdown()


def test_an_api_is_ready_when_it_says_so(answering):
    port, status = answering
    assert api_is_ready("127.0.0.1", port) == (status == 200)


def test_an_api_is_not_ready_where_nothing_listens():
    assert not api_is_ready("127.0.0.1", free_port())


def test_a_worker_that_is_not_there_does_not_answer(redis_url):
    assert not worker_answers(redis_url, "nobody@nowhere")


def test_a_worker_does_not_answer_through_a_broker_that_is_away():
    assert not worker_answers(f"redis://127.0.0.1:{free_port()}/0", "nobody@nowhere")
