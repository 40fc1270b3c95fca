import subprocess
import sys
import time
from datetime import UTC, datetime

import psutil
import pytest
import redis

from worker.contract.announcer import Announcer
from worker.contract.job_config import TRAIN_QUEUE, JobStatus
from worker.contract.settings import WorkerSettings
from worker.upkeep.reconciler import Reconciler

DIE = """
import os, signal, sys
from pathlib import Path
from worker.process.liveness_lock import held_lock

with held_lock(Path(sys.argv[1]), "w", 1) as name:
    print(name, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def settings(settings, redis_url):
    return WorkerSettings(
        **(settings.model_dump() | {"redis_url": redis_url, "reconcile_interval_s": 0.05, "worker_name": "w"})
    )


@pytest.fixture
def announcer(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        client.delete(TRAIN_QUEUE)
        made = Announcer(redis_url)
        yield made
        made.close()
        client.delete(TRAIN_QUEUE)


@pytest.fixture
def reconciler(store, settings, announcer):
    running = Reconciler(store, settings, process_id=1)
    running.start()
    yield running
    running.stop()


def publish_model(store, submit, model_id):
    store.leases.publish(store.leases.claim(submit().id, "w", threads=1), model_id, {}, digest="abc")


def soon(condition):
    deadline = time.monotonic() + 30
    while not (result := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return result


def test_a_queue_that_the_broker_lost_is_announced_again_but_not_more_than_once(
    store, reconciler, announcer, submit
):
    for _ in range(2):
        store.outbox.release_worker(store.leases.claim(submit().id, "w", threads=1).job.worker_name)
    soon(lambda: announcer.count_waiting() == 2)
    time.sleep(0.3)
    assert announcer.count_waiting() == 2


def test_jobs_that_have_their_messages_are_not_announced(store, reconciler, announcer, submit):
    announcer.announce("job_of_another_message")
    store.leases.release(store.leases.claim(submit().id, "w", threads=1), "test")
    time.sleep(0.3)
    assert announcer.count_waiting() == 1


def test_a_model_to_be_compared_wakes_a_worker_by_one_message_while_no_job_waits(
    store, reconciler, announcer, submit
):
    publish_model(store, submit, "model_1")
    publish_model(store, submit, "model_2")
    soon(lambda: announcer.count_waiting() == 1)
    time.sleep(0.3)
    assert announcer.count_waiting() == 1


def test_a_job_that_waits_is_announced_before_comparisons(store, reconciler, announcer, submit):
    waiting = submit()
    publish_model(store, submit, "model_1")
    time.sleep(0.3)
    assert (store.jobs.get(waiting.id).status, announcer.count_waiting()) == (JobStatus.QUEUED, 0)


def test_the_job_of_a_killed_process_is_taken_from_it(store, settings, reconciler, submit):
    job = submit()
    died = subprocess.run(
        [sys.executable, "-c", DIE, str(settings.workers_dir)], stdout=subprocess.PIPE, text=True, check=False
    )
    store.leases.claim(job.id, died.stdout.strip(), threads=1)
    soon(lambda: store.jobs.get(job.id).status is JobStatus.QUEUED)
    soon(lambda: not list(settings.workers_dir.glob("*.lock")))


def test_a_worker_is_listed_while_its_reconciler_lives(store, settings, announcer):
    reconciler = Reconciler(store, settings, process_id=1)
    reconciler.start()
    (worker,) = soon(store.workers.list)
    assert (worker.name, worker.devices[0]) == ("w", "cpu")
    assert worker.since <= worker.reported_at <= datetime.now(UTC)
    assert 0 < worker.memory_bytes <= psutil.virtual_memory().total
    reconciler.stop()
    assert store.workers.list() == []


def test_draining_stops_the_own_processes_and_announces_nothing(store, reconciler, announcer, submit):
    waiting = store.leases.claim(submit().id, "w.2.7.aa", threads=1)
    own = store.leases.claim(submit().id, "w.1.7.aa", threads=1)
    reconciler.drain()
    soon(lambda: store.leases.heartbeat(own) == "drain")
    assert store.leases.heartbeat(waiting) == "none"
    store.leases.release(waiting, "test")
    time.sleep(0.3)
    assert announcer.count_waiting() == 0


def test_an_unreachable_broker_is_logged_once_and_the_other_duties_go_on(store, settings, submit, caplog):
    away = WorkerSettings(**(settings.model_dump() | {"redis_url": "redis://127.0.0.1:1/0"}))
    store.leases.release(store.leases.claim(submit().id, "w", threads=1), "test")
    reconciler = Reconciler(store, away, process_id=1)
    reconciler.start()
    time.sleep(0.5)
    assert soon(store.workers.list)
    reconciler.stop()
    complaints = [r.message for r in caplog.records if "announcing waiting jobs failed" in r.message]
    assert len(complaints) == 1
