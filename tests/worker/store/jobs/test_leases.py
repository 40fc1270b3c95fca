import json
import subprocess
import sys
import time

import pytest

from worker.contract.job_config import JobStatus
from worker.contract.settings import ServiceSettings
from worker.store import CancelRequested, LeaseLost, NotFound, RequestedAction, Store

CLAIM_ALL = """
import json, sys
from worker.contract.settings import ServiceSettings
from worker.store import Store

data_dir, database_url, *ids = json.loads(sys.argv[1])
store = Store.connect(ServiceSettings(data_dir=data_dir, database_url=database_url))
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps([id for id in ids if store.leases.claim(id, sys.argv[2], threads=1)]))
store.close()
"""


@pytest.fixture
def claim(store, submit):
    return store.leases.claim(submit().id, "w", threads=2)


def kinds(store, job):
    return [event.type for event in store.jobs.events(job.id)]


def test_one_of_many_processes_claims_each_job(store, settings, submit):
    ids = [submit().id for _ in range(40)]
    arguments = json.dumps([str(settings.data_dir), settings.database_url, *ids])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM_ALL, arguments, f"w{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate()[0] for process in processes]
    claimed = [job_id for output in outputs for job_id in json.loads(output)]
    assert sorted(claimed) == sorted(ids)
    assert {store.jobs.get(job_id).token for job_id in ids} == {1}


def test_a_claimed_job_runs_under_the_name_of_its_holder(store, claim):
    job = store.jobs.get(claim.job.id)
    assert job == claim.job
    assert (job.status, job.worker_name, job.token, job.threads) == (JobStatus.RUNNING, "w", 1, 2)
    assert job.attempt.number == 1
    assert job.started_at is not None
    assert kinds(store, job) == ["submitted", "started"]


def test_a_job_is_not_claimed_twice_nor_after_its_end(store, claim):
    assert store.leases.claim(claim.job.id, "other", threads=1) is None
    store.leases.cancel(claim)
    assert store.leases.claim(claim.job.id, "other", threads=1) is None
    assert store.leases.claim("job_none", "other", threads=1) is None


def test_the_next_job_is_the_one_that_waits_longest(store, submit):
    first, second = submit(), submit()
    claimed = [store.leases.claim_next("w", threads=1) for _ in range(2)]
    assert [claim.job.id for claim in claimed] == [first.id, second.id]
    assert store.leases.claim_next("w", threads=1) is None


def test_a_heartbeat_returns_the_requested_action(store, claim):
    assert store.leases.heartbeat(claim) is RequestedAction.NONE
    store.outbox.drain_workers("w")
    assert store.leases.heartbeat(claim) is RequestedAction.DRAIN
    store.controls.cancel(claim.job.id)
    assert store.leases.heartbeat(claim) is RequestedAction.CANCEL


def test_a_heartbeat_keeps_a_job_that_would_have_expired(settings, dataset, submit):
    store = Store.open(ServiceSettings(**(settings.model_dump() | {"lease_s": 0.001})))
    expired = store.leases.claim(submit().id, "w", threads=1)
    long_store = Store.connect(settings)
    long_store.leases.heartbeat(expired)
    assert store.outbox.expire_leases() == []
    store.leases.heartbeat(expired)
    time.sleep(0.01)  # SQLite's clock counts milliseconds
    assert store.outbox.expire_leases() == []
    time.sleep(0.01)
    assert store.outbox.expire_leases() == [expired.job.id]
    store.close()
    long_store.close()


def test_a_released_job_waits_again_and_has_lost_no_attempt(store, claim):
    store.leases.release(claim, "its worker was stopped")
    job = store.jobs.get(claim.job.id)
    assert (job.status, job.status_reason) == (JobStatus.QUEUED, "its worker was stopped")
    again = store.leases.claim(job.id, "w", threads=8)
    assert (again.token, again.job.attempt.number, again.job.attempt.history) == (2, 1, [])
    assert again.job.threads == 2
    assert kinds(store, job) == ["submitted", "started", "released", "started"]


def test_a_cancelled_job_is_not_requeued(store, claim):
    store.controls.cancel(claim.job.id)
    store.leases.release(claim, "its worker was stopped")
    assert store.jobs.get(claim.job.id).status is JobStatus.CANCELLED


def test_a_failed_job_has_the_reason(store, claim):
    store.leases.fail(claim, "disk_full", "No space left.")
    job = store.jobs.get(claim.job.id)
    assert (job.status, job.error.code, job.error.text) == (JobStatus.FAILED, "disk_full", "No space left.")
    assert job.finished_at is not None
    assert store.jobs.events(job.id)[-1].data == {"code": "disk_full", "text": "No space left."}


def test_publishing_ends_the_job_with_its_model(store, claim):
    store.leases.publish(claim, "model_1", {"levels": 3}, "abc")
    job = store.jobs.get(claim.job.id)
    assert (job.status, job.model_id, job.worker_name) == (JobStatus.SUCCEEDED, "model_1", None)
    assert store.models.get("model_1").job_id == job.id
    assert kinds(store, job)[-1] == "published"


def test_a_cancelled_job_publishes_nothing(store, claim):
    store.controls.cancel(claim.job.id)
    with pytest.raises(CancelRequested):
        store.leases.publish(claim, "model_1", {}, "abc")
    with pytest.raises(NotFound):
        store.models.get("model_1")


@pytest.mark.parametrize("is_claimed_again", [False, True])
def test_a_stale_token_writes_nothing(store, claim, is_claimed_again, make_progress):
    store.outbox.release_worker("w")
    if is_claimed_again:
        store.leases.claim(claim.job.id, "other", threads=1)
    before = store.jobs.get(claim.job.id)
    checkpoint = {
        "epoch": 1,
        "step": 1,
        "file_name": "x",
        "digest": "",
    }
    for write in (
        lambda: store.leases.heartbeat(claim),
        lambda: store.leases.release(claim, "late"),
        lambda: store.leases.cancel(claim),
        lambda: store.leases.fail(claim, "late", "late"),
        lambda: store.leases.publish(claim, "model_1", {}, "late"),
        lambda: store.recordings.record_progress(claim, make_progress(1)),
        lambda: store.recordings.add_event(claim, "late", {}),
        lambda: store.recordings.record_checkpoint(claim, **checkpoint, size_bytes=1),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert store.jobs.get(before.id) == before
    assert store.jobs.assignment(before.id) is None
    assert store.jobs.checkpoints(before.id) == []
    assert store.models.list().items == []
