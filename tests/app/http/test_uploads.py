"""Bodies are counted while they arrive, refused at once when they say too much, and leave nothing behind."""

import asyncio
import dataclasses
import io
import os
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from app.http.bounded_route import BoundedRequest
from app.http.uploads import BodyMemory, received
from tests.app.common_requests import CODES, codes_of, encode

HEAD = "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n{more}\r\n\r\n"


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    """The address of an API in a process of its own, which takes bodies up to 1 GiB as by default."""
    data_dir = tmp_path_factory.mktemp("process")
    port = closed_port()
    environment = os.environ | {
        "CATVQ_DATA_DIR": str(data_dir),
        "CATVQ_REDIS_URL": "redis://127.0.0.1:1/0",
        "CATVQ_PORT": str(port),
    }
    command = [sys.executable, "-m", "app"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as child:
        try:
            wait_for_port(port, child)
            yield port
        finally:
            child.terminate()
            _, errors = child.communicate(timeout=20)
            assert b"Traceback" not in errors, errors.decode()


def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for_port(port, child):
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def head(path="/v1/datasets", kind="text/csv", **more):
    lines = "\r\n".join(f"{name.replace('_', '-')}: {value}" for name, value in more.items())
    return HEAD.format(path=path, kind=kind, more=lines).encode()


def answer_to(port, *pieces):
    """What a server says to bytes of ours, up to the end of its connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        received = b""
        while b"\r\n\r\n" not in received or not received.endswith(b"}"):
            more = connection.recv(65536)
            if not more:
                break
            received += more
    return received.decode()


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/jobs", "/v1/aliases/x"])
def test_two_declared_gigabytes_are_refused_without_reading_one(process, path):
    kind = "text/csv" if path == "/v1/datasets" else "application/json"
    request = head(path, kind, Content_Length=2 << 30)
    if path.startswith("/v1/aliases"):
        request = request.replace(b"POST", b"PUT")
    started = time.monotonic()
    answer = answer_to(process, request)
    assert time.monotonic() - started < 2
    assert answer.startswith("HTTP/1.1 413")
    assert '"code":"body_too_large"' in answer
    assert "connection: close" in answer.lower()


def test_a_client_that_waits_for_a_word_to_send_two_gigabytes_hears_no(process):
    answer = answer_to(process, head(Content_Length=2 << 30, Expect="100-continue"))
    assert answer.startswith("HTTP/1.1 413")


def test_a_client_that_waits_for_a_word_to_send_little_hears_yes(process):
    with socket.create_connection(("127.0.0.1", process), timeout=20) as connection:
        connection.sendall(head(Content_Length=8, Expect="100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(b"a,b\n1,2\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 201")


def test_a_body_without_a_declared_length_is_refused_while_it_streams(api):
    sent = 0

    def endless():
        nonlocal sent
        yield b"a,b\n"
        while True:
            sent += 1 << 16
            yield b"1,2\n" * (1 << 14)

    answer = api.client.post("/v1/datasets", content=endless(), headers={"content-type": "text/csv"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert sent < 64 << 20
    assert api.half_done() == []


def test_json_has_a_limit_of_its_own(client):
    body = b'{"rows": [[' + b"1," * 200_000 + b"1]]}"
    for path in ("/v1/datasets", "/v1/jobs"):
        answer = client.post(path, content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_body_that_is_no_table_has_a_lower_limit(base_settings, serve, tmp_path):
    limits = {"data_dir": tmp_path, "max_document_bytes": 100}
    with serve(base_settings.model_copy(update=limits)) as api:
        assert api.client.get("/v1").json()["limits"]["max_document_bytes"] == 100
        answer = api.client.post("/v1/jobs", json={"dataset": "d" * 100})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        rows = {"rows": [[1, 2]] * 30}
        assert api.client.post("/v1/datasets", json=rows).status_code == 201


def test_a_client_that_vanishes_leaves_nothing(api):
    with socket.create_connection(
        (api.client.base_url.host, api.client.base_url.port), timeout=20
    ) as connection:
        connection.sendall(head(Content_Length=1000) + b"a,b\n1,2\n")
        deadline = time.monotonic() + 10
        while not api.half_done():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    while api.half_done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_slow_upload_does_not_hold_up_others(api):
    body = b"a,b\n" + b"1,2\n3,4\n" * 1000
    released = threading.Event()

    def slow():
        yield body[:1000]
        released.wait(20)
        yield body[1000:]

    answers = []
    url = str(api.client.base_url)
    threads = [
        threading.Thread(
            target=lambda name=str(number): answers.append(
                httpx.post(
                    f"{url}/v1/datasets",
                    params={"name": name},
                    content=slow(),
                    headers={"content-type": "text/csv"},
                    timeout=30,
                )
            )
        )
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    assert api.client.get("/livez").status_code == 200
    assert answers == []
    released.set()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 8


def test_bodies_share_the_room_in_memory_and_others_are_kept_in_files():
    memory = BodyMemory(10)
    assert [memory.take(6), memory.take(6), memory.take(4)] == [True, False, True]
    memory.give_back(6)
    assert memory.take(6)


def test_without_room_in_memory_a_body_is_encoded_from_a_file(api, client, model_id):
    services = api.app.state.services
    api.app.state.services = dataclasses.replace(services, body_memory=BodyMemory(0))
    try:
        assert codes_of(encode(client, model_id).content) == CODES
    finally:
        api.app.state.services = services


def test_a_small_body_takes_no_more_room_in_memory_than_it_needs(api):
    services = api.app.state.services
    api.app.state.services = dataclasses.replace(services, body_memory=BodyMemory(4))
    try:
        assert asyncio.run(kept_in(io.BytesIO, api.app, b"1234"))
        assert not asyncio.run(kept_in(io.BytesIO, api.app, b"12345"))
    finally:
        api.app.state.services = services


async def kept_in(kind, app, body):
    """Whether a body is received into such a file."""

    async def receive():
        return {"type": "http.request", "body": body}

    head = {"headers": [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/x-npy")]}
    request = BoundedRequest({"type": "http", "app": app, **head}, receive)
    async with received(request, None, max_bytes=8, memory_bytes=8) as upload:
        return isinstance(upload.file, kind)
