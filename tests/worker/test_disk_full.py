"""A disk without room for what a job writes: that job fails and says so, and no other is harmed."""

import resource

import pytest

from worker.contract.job_config import JobStatus
from worker.jobs.recorder import Recorder

STATIC = {"mode": "static"}
ROOM_BYTES = 2 << 20  # in one file: the database fits, and all that a small job writes


@pytest.fixture
def fill_disk():
    """Lets no file grow further, as a quota does; a call with False gives the room back."""
    room, most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(*, is_full=True):
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES if is_full else room, most))

    yield fill
    fill(is_full=False)


@pytest.fixture
def claim(store, submit):
    def take(job=None, **sections):
        job = job or submit(assignment=STATIC, training={"epochs": 2}, **sections)
        return store.leases.claim(job.id, "w", threads=1)

    return take


@pytest.fixture
def large():
    return {"model": {"categories": 2, "levels": 1, "codebook_size": 4, "latent_dim": 64, "hidden_dim": 8192}}


def test_a_job_that_meets_a_full_disk_fails_others_go_on_and_it_may_be_retried(
    store, claim, run, large, fill_disk
):
    fill_disk()
    failed = run(claim(**large))
    assert (failed.status, failed.error.code) == (JobStatus.FAILED, "disk_full")
    assert "File too large" in failed.error.text
    assert list(store.spool_dir.iterdir()) == []
    assert not (store.spool_dir.parent / "jobs" / failed.id).exists()
    assert run(claim()).status is JobStatus.SUCCEEDED
    fill_disk(is_full=False)
    store.controls.retry(failed.id)
    assert run(claim(failed)).status is JobStatus.SUCCEEDED


def test_a_model_for_which_there_is_no_room_leaves_nothing_behind(
    store, claim, run, large, fill_disk, monkeypatch
):
    save = Recorder.save_checkpoint

    def fill_after_the_last(recorder, run, *, is_due):
        save(recorder, run, is_due=is_due)
        fill_disk(is_full=run.is_finished)

    monkeypatch.setattr(Recorder, "save_checkpoint", fill_after_the_last)
    failed = run(claim(**large))
    assert (failed.status, failed.error.code) == (JobStatus.FAILED, "disk_full")
    assert [path for path in store.spool_dir.rglob("*") if path.name.startswith("model_")] == []
    assert store.models.list().items == []
    fill_disk(is_full=False)
    store.controls.retry(failed.id)
    monkeypatch.undo()
    assert run(claim(failed)).status is JobStatus.SUCCEEDED
