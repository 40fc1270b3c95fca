"""A process of the API among clients that are slow, silent, too many, or do not read their answers."""

import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from app.http.connections import ConnectionLimit
from app.settings import ApiSettings
from tests.app.common_requests import HEADERS, ROWS, request
from tests.app.hand_model import DOCUMENT, write_model
from worker.contract.settings import ServiceSettings
from worker.store import Store

HEAD = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPLOAD = (
    b"POST /v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 100\r\n\r\n"
)


@pytest.fixture(scope="module")
def hurried(start_api, tmp_path_factory):
    """A process with little patience and room for forty connections."""
    settings = {
        "CATVQ_HEAD_TIMEOUT_S": "1.5",
        "CATVQ_BODY_TIMEOUT_S": "1.5",
        "CATVQ_MIN_BODY_RATE": "1000",
        "CATVQ_MAX_CONNECTIONS": "80",
    }
    with start_api(tmp_path_factory.mktemp("hurried"), **settings) as api:
        yield api


def connect(api):
    url = httpx.URL(api.url)
    return socket.create_connection((url.host, url.port), timeout=10)


def rest_of(connection):
    """What comes until the server closes the connection."""
    with connection.makefile("rb") as answer:
        return answer.read()


@pytest.mark.parametrize(
    "sent", [b"", b"GET /livez HT", HEAD], ids=["silent", "half a head", "after an answer"]
)
def test_a_connection_without_a_request_ends(hurried, sent):
    with connect(hurried) as connection:
        began = time.monotonic()
        connection.sendall(sent)
        assert rest_of(connection).startswith(b"HTTP/1.1 200" if sent == HEAD else b"")
        assert 1 < time.monotonic() - began < 5


@pytest.mark.parametrize("sent", [b"", b"a,b\n1,2\n"], ids=["none", "half"])
def test_a_body_that_does_not_come_is_given_up(hurried, sent):
    with connect(hurried) as connection:
        connection.sendall(UPLOAD + sent)
        answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body_timeout"' in answer


def test_a_body_that_drips_is_given_up(hurried):
    with connect(hurried) as connection:
        connection.sendall(UPLOAD.replace(b"100", b"5000"))
        began = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT012 - closed while it is still sent
            for _ in range(60):
                connection.sendall(b"1")
                time.sleep(0.2)
        assert time.monotonic() - began < 8


def test_a_body_that_comes_steadily_has_its_time(hurried):
    rows = b"a,b\n" + b"1,2\n" * 1000
    with connect(hurried) as connection:
        connection.sendall(UPLOAD.replace(b"100", str(len(rows)).encode()))
        for start in range(0, len(rows), 400):
            connection.sendall(rows[start : start + 400])
            time.sleep(0.25)  # 1,600 bytes a second, longer than a piece may take
        assert connection.recv(100).startswith(b"HTTP/1.1 201 ")


def test_a_reader_that_takes_nothing_is_given_up(hurried):
    """The document is larger than what the system buffers for a client that does not read it."""
    columns = ",".join(f"column_{number}_{'x' * 80}" for number in range(9000))
    text = f"{columns}\n" + (",".join("1" for _ in range(9000)) + "\n") * 2
    made = httpx.post(f"{hurried.url}/v1/datasets", content=text, headers={"content-type": "text/csv"})
    url = httpx.URL(hurried.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect((url.host, url.port))
        request = HEAD.replace(b"/livez", f"/v1/datasets/{made.json()['id']}".encode())
        connection.sendall(request * 8)
        time.sleep(4)
        received = len(rest_of(connection))
    assert 0 < received < 8 * len(columns)
    assert "Traceback" not in hurried.log.read_text()


@pytest.fixture(scope="module")
def warm(hurried):
    """A model of the hurried process that is loaded."""
    store = Store.connect(ServiceSettings(data_dir=Path(hurried.environment["CATVQ_DATA_DIR"])))
    made = httpx.post(
        f"{hurried.url}/v1/datasets", content="a,b,c\n" + "1,2,3\n" * 40, headers={"content-type": "text/csv"}
    )
    job = httpx.post(f"{hurried.url}/v1/jobs", json={"dataset": made.json()["id"]}).json()["id"]
    claim = store.leases.claim(job, "tester", threads=1)
    model_id = f"model_{job.removeprefix('job_')}"
    write_model(store.models.directory(model_id))
    store.leases.publish(claim, model_id, DOCUMENT, "sha256:hand")
    store.close()
    url = f"{hurried.url}/v1/models/{model_id}/encodings"
    assert httpx.post(url, content=ROWS.tobytes(), headers=HEADERS).status_code == 200
    return model_id


def test_an_answer_of_the_fast_path_that_is_not_taken_is_given_up(hurried, warm):
    url = httpx.URL(hurried.url)
    process = psutil.Process(hurried.process.pid)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect((url.host, url.port))
        own = connection.getsockname()
        connection.sendall(request(warm, np.tile(ROWS, (30_000, 1))))
        deadline = time.monotonic() + 12
        while any(
            tuple(each.raddr) == own and each.status == "ESTABLISHED" for each in process.net_connections()
        ):
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_a_body_of_the_fast_path_that_comes_steadily_has_its_time(hurried, warm):
    whole = request(warm, np.tile(ROWS, (200, 1)))
    with connect(hurried) as connection:
        for start in range(0, len(whole), 700):
            connection.sendall(whole[start : start + 700])
            time.sleep(0.3)  # longer in all than one piece may take
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_body_of_the_fast_path_that_does_not_come_is_a_problem(hurried, warm):
    with connect(hurried) as connection:
        connection.sendall(request(warm, ROWS)[:-4])
        answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body_timeout"' in answer


def test_requests_beyond_the_connections_are_told_so_and_served_later(hurried):
    with ExitStack() as held:
        idle = [held.enter_context(connect(hurried)) for _ in range(85)]
        deadline = time.monotonic() + 10
        while True:
            try:
                answer = httpx.get(f"{hurried.url}/v1", timeout=5)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 503:
                break
            assert time.monotonic() < deadline
            for connection in idle:  # they would be ended for their silence
                with suppress(OSError):
                    connection.sendall(b"G")
    assert answer.json()["code"] == "too_many_connections"
    assert (answer.headers["connection"], answer.headers["retry-after"]) == ("close", "2")
    deadline = time.monotonic() + 10
    while httpx.get(f"{hurried.url}/v1", timeout=5).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_process_may_open_as_much_as_the_system_allows(hurried):
    soft, hard = psutil.Process(hurried.process.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert soft == hard


def test_there_are_no_more_connections_than_descriptors(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    limit = ConnectionLimit(ApiSettings(max_connections=10_000))
    assert 500 < limit.served < limit.taken <= 1024 - 256


def test_a_process_with_open_streams_ends_in_time(start_api, tmp_path):
    with start_api(tmp_path) as api:
        rows = "a,b\n" + "1,2\n3,4\n" * 20
        made = httpx.post(f"{api.url}/v1/datasets", content=rows, headers={"content-type": "text/csv"})
        job = httpx.post(f"{api.url}/v1/jobs", json={"dataset": made.json()["id"]}).json()
        with connect(api) as stream, connect(api) as idle, connect(api) as poll, connect(api) as half:
            half.sendall(b"GET /livez HT")
            path = f"GET /v1/jobs/{job['id']}"
            stream.sendall(
                f"{path}/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()
            )
            tag = httpx.get(f"{api.url}/v1/jobs/{job['id']}").headers["etag"]
            wait = f"Prefer: wait=60\r\nIf-None-Match: {tag}"
            poll.sendall(f"{path} HTTP/1.1\r\nHost: localhost\r\n{wait}\r\n\r\n".encode())
            idle.sendall(HEAD)
            assert stream.recv(10)
            assert idle.recv(10)
            began = time.monotonic()
            api.process.send_signal(signal.SIGTERM)
            assert api.process.wait(20) == 0
            assert time.monotonic() - began < 10
        assert "Traceback" not in api.log.read_text()
        assert list((Path(tmp_path) / "spool").glob("api-*")) == []


def test_a_taken_port_is_refused_in_a_sentence(start_api, tmp_path):
    with start_api(tmp_path) as api:
        second = subprocess.run(
            [sys.executable, "-m", "app"],
            env={**api.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert second.returncode != 0
    assert "is taken" in second.stderr
    assert "Traceback" not in second.stderr
