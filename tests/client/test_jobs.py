import json
import time

import pytest
from catvq_client import Client, WaitTimeoutError

JOB = {"id": "job_1", "status": "running", "created_at": "2026-01-01T00:00:00Z"}


def job(answer, etag, **fields):
    return answer(200, {**JOB, **fields}, {"ETag": etag})


def not_modified(answer):
    return answer(304, content=b"")


def test_a_job_is_watched_change_by_change_with_long_polls(scripted, answer):
    scripted.answers = [
        job(answer, '"1"', temperature=1.0),
        not_modified(answer),
        job(answer, '"2"', temperature=0.5),
        job(answer, '"2a"', temperature=0.5),
        job(answer, '"3"', status="succeeded", model="model_1"),
    ]
    with Client(scripted.url) as client:
        seen = list(client.jobs.watch("job_1"))
    assert [(each.status, each.temperature) for each in seen] == [
        ("running", 1.0),
        ("running", 0.5),
        ("succeeded", None),
    ]
    first, second, third, fourth, fifth = (request.headers for request in scripted.requests)
    assert "Prefer" not in first
    assert second["Prefer"] == "wait=20"
    assert [each["If-None-Match"] for each in (second, third, fourth, fifth)] == [
        '"1"',
        '"1"',
        '"2"',
        '"2a"',
    ]


def test_waiting_ends_with_the_job_however_it_ended(scripted, answer):
    scripted.answers = [
        job(answer, '"1"'),
        job(answer, '"2"', status="failed", error={"code": "invalid", "text": "no"}),
    ]
    with Client(scripted.url) as client:
        assert client.jobs.wait("job_1").reason == "no"


def test_waiting_longer_than_allowed_is_an_error(scripted, answer):
    scripted.answers = [job(answer, '"1"'), not_modified(answer)]
    started = time.monotonic()
    with Client(scripted.url) as client, pytest.raises(WaitTimeoutError, match=r"not ended after 0\.4 s"):
        client.jobs.wait("job_1", timeout_s=0.4)
    assert 0.4 <= time.monotonic() - started < 1
    assert len(scripted.requests) < 10, "a service that ignores Prefer is not asked without a pause"


def test_a_submission_carries_a_key_of_its_own_so_that_a_retry_makes_no_second_job(scripted, answer):
    busy = answer(503, {"title": "Busy"}, {"Retry-After": "0"})
    scripted.answers = [busy, job(answer, '"1"'), job(answer, '"1"')]
    with Client(scripted.url) as client:
        client.jobs.submit({"dataset": "ds_1"})
        client.jobs.submit({"dataset": "ds_1"})
        client.jobs.submit({"dataset": "ds_1"}, idempotency_key="mine")
    first, retried, second, given = (request.headers["Idempotency-Key"] for request in scripted.requests)
    assert first == retried != second
    assert given == "mine"
    assert json.loads(scripted.requests[0].body) == {"dataset": "ds_1"}


def test_lists_are_filtered_by_the_service(scripted, answer):
    scripted.answers = [answer(200, {"items": []})]
    with Client(scripted.url) as client:
        assert client.jobs.list(status="running", dataset="ds_1") == []
    assert scripted.requests[0].path == "/v1/jobs?status=running&dataset=ds_1"


def sse(number, event):
    data = {"id": number, "time": "2026-01-01T12:00:00Z", "type": event, "data": {}}
    return f"id: {number}\nevent: {event}\ndata: {json.dumps(data)}\n\n"


def test_a_job_is_followed_over_keep_alives_and_lost_connections(scripted, answer):
    stream = {"Content-Type": "text/event-stream"}
    ping = ": ping - 2026-01-01 12:00:15\n\n"
    begun = (ping + sse(1, "submitted") + ping + sse(2, "started") + ping).encode()
    scripted.answers = [
        answer(200, content=begun, headers=stream, missing_bytes=9),
        answer(503, {"title": "Busy", "status": 503}),
        answer(200, content=sse(3, "published").encode(), headers=stream),
        answer(204, content=b""),
    ]
    with Client(scripted.url) as client:
        followed = [(event.id, event.type) for event in client.jobs.follow("job_1")]
    assert followed == [(1, "submitted"), (2, "started"), (3, "published")]
    assert [request.headers["Last-Event-ID"] for request in scripted.requests] == ["0", "2", "2", "3"]
