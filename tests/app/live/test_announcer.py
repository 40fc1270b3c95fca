"""A new job reaches the queue when the broker answers; when it does not, nothing waits and nothing fails."""

import base64
import json
import logging
import time

import pytest
import redis

from app.live.announcer import JobAnnouncer
from worker.contract.job_config import TRAIN_QUEUE, TRAIN_TASK


@pytest.fixture
def broker(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        client.delete(TRAIN_QUEUE)
        yield client
        client.delete(TRAIN_QUEUE)


def eventually(condition):
    deadline = time.monotonic() + 10
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_the_message_carries_the_jobs_id_and_nothing_else(broker, redis_url):
    announcer = JobAnnouncer(redis_url, timeout_s=1)
    announcer.announce("job_1")
    message = json.loads(eventually(lambda: broker.lindex(TRAIN_QUEUE, 0)))
    announcer.close()
    assert message["headers"]["task"] == TRAIN_TASK
    arguments, keywords, _ = json.loads(base64.b64decode(message["body"]))
    assert (arguments, keywords) == (["job_1"], {})


def test_a_submitted_job_is_announced_once(base_settings, serve, broker, redis_url, tmp_path):
    settings = base_settings.model_copy(update={"data_dir": tmp_path, "redis_url": redis_url})
    with serve(settings) as api:
        headers = {"Idempotency-Key": "k"}
        body = {"dataset": api.dataset()}
        for _ in range(2):
            assert api.client.post("/v1/jobs", json=body, headers=headers).status_code == 202
        eventually(lambda: broker.llen(TRAIN_QUEUE))
    assert broker.llen(TRAIN_QUEUE) == 1


def test_a_broker_that_does_not_answer_delays_and_fails_nothing(api, caplog):
    with caplog.at_level(logging.WARNING, "app.live.announcer"):
        body = {"dataset": api.dataset()}
        started = time.monotonic()
        for _ in range(20):
            assert api.client.post("/v1/jobs", json=body).status_code == 202
        assert time.monotonic() - started < 5
        eventually(lambda: "broker does not answer" in caplog.text)


def test_closing_waits_for_no_broker():
    announcer = JobAnnouncer("redis://127.0.0.1:1/0", timeout_s=1)
    for number in range(2000):
        announcer.announce(f"job_{number}")
    started = time.monotonic()
    announcer.close()
    assert time.monotonic() - started < 3
