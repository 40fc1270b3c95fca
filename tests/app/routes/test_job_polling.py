"""A job is polled: with a tag, or waiting for its next change."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx


def test_a_job_that_is_as_before_is_not_sent_again(api):
    claim = api.running_job()
    path = f"/v1/jobs/{claim.job.id}"
    tag = api.client.get(path).headers["etag"]
    same = api.client.get(path, headers={"if-none-match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    api.record(claim, 3, 3)
    changed = api.client.get(path, headers={"if-none-match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_a_place_in_the_queue_that_changes_is_a_change(api):
    first, second = api.job(), api.job()
    tag = api.client.get(f"/v1/jobs/{second}").headers["etag"]
    api.client.post(f"/v1/jobs/{first}/cancel")
    assert api.client.get(f"/v1/jobs/{second}", headers={"if-none-match": tag}).status_code == 200


def test_a_long_poll_answers_at_the_next_change(api):
    claim = api.running_job()
    path = f"/v1/jobs/{claim.job.id}"
    tag = api.client.get(path).headers["etag"]
    timer = threading.Timer(0.5, api.record, (claim, 3, 3))
    started = time.monotonic()
    timer.start()
    answer = api.client.get(path, headers={"if-none-match": tag, "prefer": "respond-async, wait=20"})
    assert 0.4 < time.monotonic() - started < 5
    assert (answer.status_code, answer.json()["progress"]["epoch"]) == (200, 3)
    assert answer.headers["preference-applied"] == "wait=20"
    timer.join()


def test_a_long_poll_ends_with_its_time(api):
    claim = api.running_job()
    path = f"/v1/jobs/{claim.job.id}"
    tag = api.client.get(path).headers["etag"]
    started = time.monotonic()
    answer = api.client.get(path, headers={"if-none-match": tag, "prefer": "wait=1"})
    assert time.monotonic() - started >= 0.9
    assert answer.status_code == 304


def test_a_long_poll_does_not_wait_for_what_has_changed_or_ended(api):
    claim = api.running_job()
    path = f"/v1/jobs/{claim.job.id}"
    started = time.monotonic()
    assert api.client.get(path, headers={"if-none-match": '"old"', "prefer": "wait=20"}).status_code == 200
    api.store.leases.fail(claim, "x", "y")
    assert api.client.get(path, headers={"prefer": "wait=20"}).status_code == 200
    assert time.monotonic() - started < 5


def test_long_polls_do_not_hold_up_other_requests(api):
    claim = api.running_job()
    url = f"{api.client.base_url}/v1/jobs/{claim.job.id}"
    more_than_there_are_threads = 50
    with (
        httpx.Client(headers={"prefer": "wait=20"}, timeout=30) as client,
        ThreadPoolExecutor(more_than_there_are_threads) as pool,
    ):
        waiting = [pool.submit(client.get, url) for _ in range(more_than_there_are_threads)]
        time.sleep(1)
        started = time.monotonic()
        assert api.client.get("/v1/jobs?limit=1").status_code == 200
        assert time.monotonic() - started < 10
        assert not any(answer.done() for answer in waiting)
        api.record(claim, 3, 3)
        assert {answer.result().json()["progress"]["epoch"] for answer in waiting} == {3}
