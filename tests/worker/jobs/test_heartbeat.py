import threading
import time

import pytest

from worker.contract.job_config import JobStatus
from worker.contract.settings import ServiceSettings
from worker.jobs.heartbeat import TIME_TO_END_S, Heartbeat
from worker.store import Store


@pytest.fixture
def claim(store, submit):
    return store.leases.claim(submit().id, "w", threads=1)


@pytest.fixture
def heartbeat(store, claim):
    with Heartbeat(store.leases, claim, lease_s=8.0, is_stopping=threading.Event()) as running:
        yield running


def soon(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_job_without_a_requested_action_is_not_stopped(settings, submit):
    store = Store.connect(ServiceSettings(**(settings.model_dump() | {"lease_s": 2.0})))
    claim = store.leases.claim(submit().id, "w", threads=1)
    with Heartbeat(store.leases, claim, lease_s=2.0, is_stopping=threading.Event()) as heartbeat:
        time.sleep(2.5)
        assert not heartbeat.should_stop()
    assert store.outbox.expire_leases() == []
    store.close()


def test_a_cancelled_job_is_ended_even_while_its_training_is_busy(store, claim, heartbeat):
    store.controls.cancel(claim.job.id)
    soon(lambda: store.jobs.get(claim.job.id).status is JobStatus.CANCELLED)
    soon(heartbeat.should_stop)
    assert heartbeat.is_cancelled
    assert heartbeat.is_lost


@pytest.mark.parametrize("end", ["cancel", "loss"])
def test_work_that_does_not_end_when_its_claim_is_gone_is_abandoned(store, claim, end):
    is_abandoned = threading.Event()
    with Heartbeat(
        store.leases, claim, lease_s=8.0, is_stopping=threading.Event(), abandon=is_abandoned.set
    ) as heartbeat:
        if end == "cancel":
            store.controls.cancel(claim.job.id)
        else:
            store.outbox.release_worker("w")
        soon(heartbeat.should_stop)
        assert not is_abandoned.is_set()
        soon(is_abandoned.is_set)


def test_work_that_ends_when_its_claim_is_gone_is_not_abandoned(store, claim):
    is_abandoned = threading.Event()
    with Heartbeat(
        store.leases, claim, lease_s=8.0, is_stopping=threading.Event(), abandon=is_abandoned.set
    ) as heartbeat:
        store.controls.cancel(claim.job.id)
        soon(heartbeat.should_stop)
    time.sleep(TIME_TO_END_S + 0.2)
    assert not is_abandoned.is_set()


def test_a_drained_job_stops_but_is_still_held(store, claim, heartbeat):
    store.outbox.drain_workers("w")
    soon(heartbeat.should_stop)
    assert not heartbeat.is_lost


def test_a_job_that_was_lost_stops(store, heartbeat):
    store.outbox.release_worker("w")
    soon(heartbeat.should_stop)
    assert heartbeat.is_lost
    assert not heartbeat.is_cancelled


def test_a_job_counts_as_lost_before_its_lease_ends_when_the_store_does_not_answer(store, claim):
    heartbeat = Heartbeat(
        store.leases, claim, lease_s=1.0, is_stopping=threading.Event()
    )  # not started: no answer ever comes
    assert not heartbeat.is_lost
    time.sleep(0.75)
    assert heartbeat.is_lost


def test_a_paused_job_that_has_nothing_to_save_is_given_back_even_while_its_work_is_busy(
    store, claim, heartbeat
):
    with heartbeat.nothing_to_save(lambda: store.leases.release(claim, "stopped")):
        store.controls.pause(claim.job.id)
        soon(lambda: store.jobs.get(claim.job.id).status is JobStatus.PAUSED)
        soon(lambda: heartbeat.is_lost)


def test_a_paused_job_that_has_something_to_save_is_held(store, claim, heartbeat):
    with heartbeat.nothing_to_save(lambda: store.leases.release(claim, "stopped")):
        pass
    store.controls.pause(claim.job.id)
    soon(heartbeat.should_stop)
    time.sleep(2)
    assert store.jobs.get(claim.job.id).status is JobStatus.PAUSING
