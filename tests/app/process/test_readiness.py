"""Readiness: what it finds out, what that costs, and how long it takes."""

import shutil
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
import sqlalchemy as sa

from tests.conftest import OUTSIDE_POSTGRES
from tests.proxy import proxied
from worker.store.database.schema import counters

PATHS = ("/readyz", "/v2/health/ready")


@pytest.fixture
def running(base_settings, serve, tmp_path):
    with serve(base_settings.model_copy(update={"data_dir": tmp_path})) as api:
        yield api


def proofs(api):
    query = sa.select(counters.c.value).where(counters.c.name == "write_proofs")
    with api.store._database.read() as connection:
        return connection.execute(query).scalar_one_or_none() or 0


def test_readiness_writes_but_for_many_who_ask_only_once_a_second(running):
    assert running.client.get("/readyz").status_code == 200
    began, before = time.monotonic(), proofs(running)
    assert before >= 1
    for _ in range(100):
        for path in PATHS:
            assert running.client.get(path).status_code == 200
    assert proofs(running) - before <= time.monotonic() - began + 1


@pytest.mark.parametrize("path", PATHS)
def test_a_locked_database_is_not_ready_and_the_answer_is_soon_there(running, path, tmp_path):
    holder = sqlite3.connect(tmp_path / "catvq.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    answer = running.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert time.monotonic() - began < 5
    assert "Retry-After" in answer.headers
    holder.close()
    deadline = time.monotonic() + 20
    while running.client.get(path).status_code != 200:
        assert time.monotonic() < deadline


def test_a_data_directory_that_cannot_be_written_to_is_not_ready(running):
    shutil.rmtree(running.store.spool_dir)
    answer = running.client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_writable")


@pytest.mark.skipif(OUTSIDE_POSTGRES is None, reason="needs PostgreSQL")
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_api_whose_database_says_nothing_any_more_answers_and_loses_no_thread(
    database_url, start_api, tmp_path
):
    many_more_than_there_are_threads = 300
    with (
        proxied(database_url) as (url, proxy),
        start_api(tmp_path, CATVQ_DATABASE_URL=url, CATVQ_DATABASE_TIMEOUT_S="2") as api,
        httpx.Client(base_url=api.url, timeout=60) as client,
        ExitStack() as connections,
    ):
        assert client.get("/readyz").status_code == 200
        proxy.be_silent()
        address = (client.base_url.host, client.base_url.port)
        asked_at, asked = time.monotonic(), []
        for _ in range(many_more_than_there_are_threads):
            asked.append(connections.enter_context(socket.create_connection(address, timeout=60)))
            asked[-1].sendall(b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        time.sleep(1)  # for so long the answer before holds
        for path, status, longest_s in (("/livez", 200, 1), ("/readyz", 503, 4), ("/readyz", 503, 4)):
            began = time.monotonic()
            assert client.get(path).status_code == status
            assert time.monotonic() - began < longest_s
        assert {connection.recv(12) for connection in asked} == {b"HTTP/1.1 503"}
        assert time.monotonic() - asked_at < 30
        proxy.be_silent(is_silent=False)
        deadline = time.monotonic() + 30
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline
        with ThreadPoolExecutor(20) as pool:
            assert {each.status_code for each in pool.map(client.get, ["/v1/jobs"] * 60)} == {200}
