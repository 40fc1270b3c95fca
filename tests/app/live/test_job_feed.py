"""Long polls and event streams together: what they cost, and how soon they hear of a change."""

import socket
import time
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from app.live.job_feed import POLL_INTERVAL_S

STREAM = "Accept: text/event-stream"
SOON_S = 0.5


@contextmanager
def waiting(api, path, header, count=1):
    """Connections whose requests wait for news."""
    address = (api.client.base_url.host, api.client.base_url.port)
    connections = [socket.create_connection(address) for _ in range(count)]
    for connection in connections:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n\r\n".encode())
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


@contextmanager
def polling(api, job_id, count=1):
    path = f"/v1/jobs/{job_id}"
    tag = api.client.get(path).headers["etag"]
    with waiting(api, path, f"Prefer: wait=30\r\nIf-None-Match: {tag}", count) as connections:
        yield connections


def settle(api, count):
    """Wait until so many wait, and none of them does anything else."""
    deadline = time.monotonic() + 30
    while len(api.app.state.services.feed._waiting) != count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def statements(api):
    """The statements that the API's database is asked, from now on."""
    asked = []

    def note(_connection, _cursor, statement, *_):
        if statement.startswith("SELECT"):
            asked.append(statement)

    engine = api.store._database._engine
    sa.event.listen(engine, "before_cursor_execute", note)
    yield asked
    sa.event.remove(engine, "before_cursor_execute", note)


def test_all_who_wait_share_one_look_at_a_time(api, statements):
    job_ids = [api.job() for _ in range(5)]
    claim = api.running_job()
    with waiting(api, f"/v1/jobs/{claim.job.id}/events", STREAM, 20):
        for job_id in job_ids:
            with polling(api, job_id, 1):
                settle(api, 21)
        with polling(api, job_ids[0], 20), polling(api, claim.job.id, 20):
            settle(api, 60)
            statements.clear()
            began = time.monotonic()
            time.sleep(2)
            looks = (time.monotonic() - began) / POLL_INTERVAL_S + 1
            assert 2 <= len(statements) <= 2 * looks  # how the jobs stand, and which places they have
    settle(api, 0)


def first_bytes(connection):
    connection.settimeout(30)
    return connection.recv(1 << 16)


def test_a_change_reaches_polls_and_streams_at_once(api):
    delays = []
    for _ in range(3):
        claim = api.running_job()
        with (
            waiting(api, f"/v1/jobs/{claim.job.id}/events", STREAM) as (stream,),
            polling(api, claim.job.id) as (poll,),
        ):
            settle(api, 2)
            while b"started" not in first_bytes(stream):
                continue
            api.store.leases.fail(claim, "x", "y")
            began = time.monotonic()
            assert b'"failed"' in first_bytes(poll)
            assert b"failed" in first_bytes(stream)
            delays.append(time.monotonic() - began)
    assert min(delays) < SOON_S, delays


def test_a_place_in_the_queue_that_changes_ends_a_poll(api):
    first, second = api.job(), api.job()
    with polling(api, second) as (poll,):
        settle(api, 1)
        api.store.controls.cancel(first)
        assert first_bytes(poll).startswith(b"HTTP/1.1 200")
    api.store.controls.cancel(second)


def test_a_poll_of_a_job_that_is_deleted_ends(api):
    claim = api.running_job()
    with polling(api, claim.job.id) as (poll,):
        settle(api, 1)
        with api.store._database.write() as connection:
            connection.execute(sa.text("DELETE FROM jobs WHERE id = :id"), {"id": claim.job.id})
        assert first_bytes(poll).startswith(b"HTTP/1.1 404")


def test_those_who_hang_up_are_not_waited_for(api):
    claim = api.running_job()
    with polling(api, claim.job.id, 30):
        settle(api, 30)
    settle(api, 0)
    assert api.client.get(f"/v1/jobs/{claim.job.id}").status_code == 200
