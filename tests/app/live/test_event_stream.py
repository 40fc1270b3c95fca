"""Streams of events over real connections."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from httpx_sse import EventSource

from app.live import event_stream

STREAM = {"accept": "text/event-stream"}
FEW_EVENTS = 3  # submitted, started, and how it ended


def read(url, after=None, on_event=lambda _event: None):
    """All events of a stream, to its end."""
    headers = STREAM if after is None else STREAM | {"last-event-id": str(after)}
    with httpx.stream("GET", url, headers=headers, timeout=30) as response:
        events = []
        for message in EventSource(response).iter_sse():
            events.append(message)
            on_event(message)
        return events


@pytest.fixture
def url(api):
    def of(job_id):
        return f"{api.client.base_url}/v1/jobs/{job_id}/events"

    return of


def test_a_stream_tells_what_was_and_what_comes_and_ends_with_the_job(api, url):
    claim = api.running_job()

    def end_after_the_second(message):
        if message.id == "2":
            api.store.leases.fail(claim, "disk_full", "No space left.")

    events = read(url(claim.job.id), on_event=end_after_the_second)
    assert [(event.id, event.event) for event in events] == [
        *(("1", "submitted"), ("2", "started"), ("3", "failed"))
    ]
    page = api.client.get(f"/v1/jobs/{claim.job.id}/events").json()["items"]
    assert [json.loads(event.data) for event in events] == page


def test_a_stream_is_taken_up_again_where_it_broke(api, url):
    claim = api.running_job()
    with httpx.stream("GET", url(claim.job.id), headers=STREAM) as response:
        assert next(EventSource(response).iter_sse()).id == "1"
    api.store.leases.fail(claim, "disk_full", "No space left.")
    assert [event.id for event in read(url(claim.job.id), after=1)] == ["2", "3"]


def test_a_stream_is_taken_up_again_after_the_service_was_restarted(base_settings, serve, tmp_path):
    settings = base_settings.model_copy(update={"data_dir": tmp_path})
    with serve(settings) as first:
        claim = first.running_job()
        path = f"{first.client.base_url}/v1/jobs/{claim.job.id}/events"
        with httpx.stream("GET", path, headers=STREAM) as response:
            assert next(EventSource(response).iter_sse()).id == "1"
    with serve(settings) as second:
        second.store.leases.fail(claim, "disk_full", "No space left.")
        path = f"{second.client.base_url}/v1/jobs/{claim.job.id}/events"
        assert [event.id for event in read(path, after=1)] == ["2", "3"]


def test_a_reader_who_knows_the_end_is_told_not_to_come_back(api, url):
    claim = api.running_job()
    api.store.leases.fail(claim, "disk_full", "No space left.")
    answer = httpx.get(url(claim.job.id), headers=STREAM | {"last-event-id": "3"})
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_retried_job_is_followed_on(api, url):
    claim = api.running_job()
    api.store.leases.fail(claim, "disk_full", "No space left.")
    api.store.controls.retry(claim.job.id)
    events = read(
        url(claim.job.id),
        on_event=lambda message: message.id == "4" and api.store.controls.cancel(claim.job.id),
    )
    assert [event.event for event in events] == ["submitted", "started", "failed", "retrying", "cancelled"]


def test_the_stream_of_a_deleted_job_ends(api, url):
    claim = api.running_job()
    api.store.leases.fail(claim, "x", "y")
    later = threading.Timer(0.5, api.store.jobs.delete, [claim.job.id])
    later.start()
    assert len(read(url(claim.job.id))) == FEW_EVENTS
    later.join()


def test_a_quiet_stream_is_kept_alive_by_comments(base_settings, serve, tmp_path, monkeypatch):
    monkeypatch.setattr(event_stream, "KEEP_ALIVE_S", 0.2)
    with serve(base_settings.model_copy(update={"data_dir": tmp_path})) as running:
        claim = running.running_job()
        with running.client.stream("GET", f"/v1/jobs/{claim.job.id}/events", headers=STREAM) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            comment = next(line for line in response.iter_lines() if line.startswith(":"))
        assert "ping" in comment


@pytest.mark.parametrize("last", ["x", "-1", "1.5", ""])
def test_a_number_that_no_event_has_is_refused(client, api, last):
    answer = client.get(f"/v1/jobs/{api.job()}/events", headers=STREAM | {"last-event-id": last})
    assert (answer.status_code, answer.json()["errors"][0]["field"].lower()) == (422, "last-event-id")


def test_a_stream_of_an_unknown_job_or_in_another_format_is_refused(client, api):
    assert client.get("/v1/jobs/job_0/events", headers=STREAM).status_code == 404
    assert client.get(f"/v1/jobs/{api.job()}/events", headers={"accept": "image/png"}).status_code == 406
    assert client.head(f"/v1/jobs/{api.job()}/events", headers=STREAM).status_code == 200


def test_many_readers_some_gone_and_some_not_reading_hold_nothing_up(api, url):
    claim = api.running_job()
    address = (api.client.base_url.host, api.client.base_url.port)
    request = f"GET /v1/jobs/{claim.job.id}/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
    idle = [socket.create_connection(address) for _ in range(60)]
    for connection in idle:
        connection.sendall(request.encode())
    for connection in idle[::2]:
        connection.close()
    more_than_there_are_threads = 60
    with ThreadPoolExecutor(more_than_there_are_threads) as pool:
        reading = [pool.submit(read, url(claim.job.id)) for _ in range(more_than_there_are_threads)]
        time.sleep(1)
        started = time.monotonic()
        assert api.client.get("/v1/jobs?limit=1").status_code == 200
        assert time.monotonic() - started < 10
        assert api.store._database._engine.pool.checkedout() <= 1
        api.store.leases.fail(claim, "x", "y")
        assert {len(events.result()) for events in reading} == {FEW_EVENTS}
    for connection in idle[1::2]:
        connection.close()
