"""A database that is locked for longer than a lease while a job runs: the job goes on afterwards."""

import threading
import time
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from worker.contract.job_config import JobStatus
from worker.contract.settings import ServiceSettings
from worker.jobs.heartbeat import Heartbeat
from worker.store import LeaseLost, StoreUnavailable

LEASE_S = 2.0
LOCKED_S = 6.0
STATIC = {"mode": "static"}


@pytest.fixture
def settings(tmp_path, database_url):
    return ServiceSettings(
        data_dir=tmp_path / "data", database_url=database_url, lease_s=LEASE_S, database_timeout_s=0.5
    )


@pytest.fixture
def locked(store, settings):
    """Locks the database against every writer."""

    @contextmanager
    def lock():
        engine = sa.create_engine(settings.sqlalchemy_url)
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.connection.driver_connection.isolation_level = None
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(sa.text("LOCK TABLE jobs IN EXCLUSIVE MODE"))
            yield
            connection.rollback()
        engine.dispose()

    return lock


@pytest.fixture
def reconciling(store):
    """Looks for expired leases, as workers do every second; returns the ids of requeued jobs."""
    is_over, taken = threading.Event(), []

    def look():
        while not is_over.wait(0.05):
            try:
                taken.extend(store.outbox.expire_leases())
            except StoreUnavailable:
                continue

    thread = threading.Thread(target=look)
    thread.start()
    yield taken
    is_over.set()
    thread.join()


@pytest.fixture
def lock_meanwhile(locked):
    """Locks the database for a while, in a thread, as soon as a condition holds; gives the times."""
    threads = []

    def begin(condition=lambda: True):
        times = []

        def hold():
            while not condition():
                time.sleep(0.01)
            with locked():
                times.append(time.monotonic())
                time.sleep(LOCKED_S)
                times.append(time.monotonic())

        threads.append(threading.Thread(target=hold))
        threads[0].start()
        return times

    yield begin
    for thread in threads:
        thread.join()


def test_a_job_whose_database_is_locked_for_longer_than_its_lease_loses_no_attempt(
    store, submit, run, lock_meanwhile, reconciling
):
    job = submit(assignment=STATIC, training={"epochs": 40})
    claim = store.leases.claim(job.id, "w", threads=1)
    times = lock_meanwhile(lambda: (live := store.jobs.get(job.id).live) and live.progress["epoch"] >= 2)
    done = run(claim)
    assert times[1] - times[0] > LEASE_S
    assert (done.status, done.token, done.attempt.history) == (JobStatus.SUCCEEDED, 1, [])
    assert reconciling == []
    assert time.monotonic() > times[1]


def test_a_job_that_ends_while_the_database_is_locked_says_so_afterwards(
    store, submit, run, lock_meanwhile, reconciling
):
    job = submit(assignment=STATIC)
    claim = store.leases.claim(job.id, "w", threads=1)
    store.datasets.values_path(job.dataset_id).unlink()
    times = lock_meanwhile()
    while not times:
        time.sleep(0.01)
    done = run(claim)
    assert (done.status, done.token, done.attempt.history) == (JobStatus.FAILED, 1, [])


def test_a_holder_that_lost_its_job_meanwhile_writes_nothing(store, settings, submit):
    claim = store.leases.claim(submit().id, "w", threads=1)
    heartbeat = Heartbeat(
        store.leases, claim, lease_s=LEASE_S, is_stopping=threading.Event()
    )  # not started: no answer ever comes
    time.sleep(LEASE_S)
    store.outbox.release_worker("w")
    before = store.jobs.get(claim.job.id)
    with pytest.raises(LeaseLost):
        heartbeat.persist(lambda: store.recordings.add_event(claim, "late", {}))
    assert store.jobs.get(claim.job.id) == before


def test_a_job_that_may_be_lost_pauses_until_the_store_answers(store, submit, lock_meanwhile):
    claim = store.leases.claim(submit().id, "w", threads=1)
    with Heartbeat(store.leases, claim, lease_s=LEASE_S, is_stopping=threading.Event()) as heartbeat:
        times = lock_meanwhile()
        while not heartbeat.is_lost:
            time.sleep(0.01)
        assert not heartbeat.should_stop()
        assert time.monotonic() > times[1]
        assert not heartbeat.is_lost


def test_a_stopping_worker_does_not_wait_for_a_locked_database_for_ever(store, submit):
    claim = store.leases.claim(submit().id, "w", threads=1)
    is_stopping = threading.Event()
    heartbeat = Heartbeat(store.leases, claim, lease_s=LEASE_S, is_stopping=is_stopping)
    is_stopping.set()

    def away():
        raise StoreUnavailable("x", code="x")

    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        heartbeat.persist(away)
    assert time.monotonic() - began < 5 * LEASE_S
