import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from worker.contract.job_config import JobStatus
from worker.contract.settings import ServiceSettings
from worker.store import Store
from worker.store.database.schema import jobs


@pytest.fixture
def settings(settings):
    return ServiceSettings(**(settings.model_dump() | {"max_attempts": 2}))


@pytest.fixture
def claim(store):
    return lambda job, name="w": store.leases.claim(job.id, name, threads=1)


def lose(store, job, name="w"):
    claim = store.leases.claim(job.id, name, threads=1)
    assert store.outbox.release_worker(name) == [job.id]
    return claim


def make_due(settings, **values):
    engine = sa.create_engine(settings.sqlalchemy_url)
    with engine.begin() as connection:
        connection.execute(sa.update(jobs).values(next_send_at=0.0, **values))
    engine.dispose()


def test_the_job_of_a_dead_worker_waits_again_with_the_loss_in_its_history(store, submit, make_progress):
    job = submit()
    store.recordings.record_progress(store.leases.claim(job.id, "w", threads=1), make_progress(3))
    assert store.outbox.release_worker("w") == [job.id]
    lost = store.jobs.get(job.id)
    assert (lost.status, lost.status_reason) == (JobStatus.QUEUED, "its worker died")
    (loss,) = lost.attempt.history
    assert loss == {"number": 1, "worker": "w", "reason": "its worker died", "epoch": 3}
    assert store.leases.claim(job.id, "w", threads=1).job.attempt.number == 2


def test_only_the_jobs_of_the_dead_worker_are_requeued(store, submit, claim):
    mine, others = submit(), submit()
    claim(mine)
    claim(others, "w2")
    assert store.outbox.held_jobs() == {"w": mine.id, "w2": others.id}
    store.outbox.release_worker("w")
    assert store.outbox.held_jobs() == {"w2": others.id}
    assert store.jobs.get(others.id).status is JobStatus.RUNNING


def test_a_silent_worker_loses_its_job_only_after_its_lease(store, settings, submit, claim):
    claim(submit())
    assert store.outbox.expire_leases() == []
    quick = Store.connect(ServiceSettings(**(settings.model_dump() | {"lease_s": 0.001})))
    silent = quick.leases.claim(submit().id, "silent", threads=1)
    assert quick.outbox.expire_leases() == []  # it may be that it could not write
    time.sleep(0.01)
    assert quick.outbox.expire_leases() == [silent.job.id]
    assert store.jobs.get(silent.job.id).status_reason == "its worker stopped answering"
    quick.close()


def test_a_job_that_keeps_losing_its_worker_fails(store, submit):
    job = submit()
    for _ in range(2):
        lose(store, job)
    failed = store.jobs.get(job.id)
    assert (failed.status, failed.error.code) == (JobStatus.FAILED, "worker_lost")
    assert "2 attempts in a row" in failed.error.text
    assert "its worker died" in failed.error.text
    assert [loss["number"] for loss in failed.attempt.history] == [1, 2]
    assert store.jobs.events(job.id)[-1].type == "failed"


@pytest.mark.parametrize("is_put_back", [False, True])
def test_a_job_whose_process_was_killed_for_memory_fails_without_another_attempt(
    store, submit, claim, is_put_back
):
    job, others, waiting = submit(), submit(), submit()
    claim(job, "w.7.12.ab")
    claim(others, "w.7.123.ab")
    lose(store, waiting, "w.7.13.ab")
    if is_put_back:  # a reconciler noticed the death first
        store.outbox.release_worker("w.7.12.ab")
    ended = store.outbox.fail_worker("w.7.12.", "out_of_memory", lambda job: f"{job.id} is too large")
    assert ended == [job.id]
    failed = store.jobs.get(job.id)
    assert (failed.status, failed.error.code) == (JobStatus.FAILED, "out_of_memory")
    assert failed.error.text == failed.status_reason == f"{job.id} is too large"
    assert [loss["number"] for loss in failed.attempt.history] == [1]
    assert store.jobs.events(job.id)[-1].type == "failed"
    assert store.jobs.get(others.id).status is JobStatus.RUNNING
    assert store.jobs.get(waiting.id).status is JobStatus.QUEUED


def test_a_cancelled_job_whose_process_was_killed_for_memory_is_cancelled(store, submit, claim):
    job = submit()
    claim(job, "w.7.12.ab")
    store.controls.cancel(job.id)
    store.outbox.fail_worker("w.7.12.", "out_of_memory", lambda _: "too large")
    assert store.jobs.get(job.id).status is JobStatus.CANCELLED


def test_a_new_checkpoint_resets_the_count_of_lost_attempts(store, submit, tmp_path):
    job = submit()
    for step in range(1, 6):
        claim = store.leases.claim(job.id, "w", threads=1)
        path = (store.spool_dir.parent / "jobs" / job.id) / f"{step}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        store.recordings.record_checkpoint(
            claim, epoch=1, step=step, file_name=path.name, digest="", size_bytes=0
        )
        store.outbox.release_worker("w")
        assert store.jobs.get(job.id).status is JobStatus.QUEUED
    assert len(store.jobs.get(job.id).attempt.history) == 5


def test_a_cancelled_job_of_a_dead_worker_is_cancelled(store, submit, claim):
    job = submit()
    claim(job)
    store.controls.cancel(job.id)
    store.outbox.release_worker("w")
    assert store.jobs.get(job.id).status is JobStatus.CANCELLED


def test_several_reconcilers_count_one_loss(store, submit, claim):
    job = submit()
    claim(job)
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda _: store.outbox.release_worker("w"), range(4)))
    assert sorted(taken) == [[], [], [], [job.id]]
    assert len(store.jobs.get(job.id).attempt.history) == 1


def test_draining_reaches_the_workers_of_one_process_only(store, submit, claim):
    claims = [claim(submit(), name) for name in ("w_1.10.5.aa", "w_1.10.6.bb", "w_1.101.5.aa", "wx1.10.5.aa")]
    store.outbox.drain_workers("w_1.10.")
    assert [store.leases.heartbeat(held) for held in claims] == ["drain", "drain", "none", "none"]


def test_a_fresh_job_is_left_to_its_sender_and_a_returned_one_is_due_at_once(store, submit):
    job = submit()
    assert store.outbox.take_due(10) == []
    lose(store, job)
    assert store.outbox.take_due(10) == [job.id]


def test_a_due_job_is_returned_once_and_becomes_due_again_later_each_time(store, settings, submit):
    job = submit()
    make_due(settings)
    with ThreadPoolExecutor(4) as pool:
        handed = [ids for ids in pool.map(lambda _: store.outbox.take_due(10), range(4)) if ids]
    assert handed == [[job.id]]
    make_due(settings, sends=30)
    assert store.outbox.take_due(10) == [job.id]
    engine = sa.create_engine(settings.sqlalchemy_url)
    with engine.connect() as connection:
        row = connection.execute(sa.select(jobs.c.next_send_at - jobs.c.created_at)).scalar_one()
    engine.dispose()
    assert 50 < row < 70


def test_the_longest_waiting_jobs_are_announced_first_and_no_more_than_asked(store, settings, submit, claim):
    first, second, third = submit(), submit(), submit()
    claim(third)
    make_due(settings)
    assert store.outbox.count_queued() == 2
    assert store.outbox.take_due(1) == [first.id]
    assert store.outbox.take_due(5) == [second.id]
