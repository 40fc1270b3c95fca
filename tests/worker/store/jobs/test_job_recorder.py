import numpy as np
import pytest

from worker.store.jobs import job_recorder


@pytest.fixture
def claim(store, submit):
    return store.leases.claim(submit().id, "w", threads=1)


@pytest.fixture
def checkpoint(store, claim):
    def record(step, token=1):
        path = (store.spool_dir.parent / "jobs" / claim.job.id) / f"checkpoint-{token}-{step}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("state")
        store.recordings.record_checkpoint(
            claim, epoch=step // 10, step=step, file_name=path.name, digest="d", size_bytes=5
        )
        return path

    return record


def test_the_newest_epoch_is_the_live_state(store, claim, make_progress):
    for epoch in (0, 1, 2):
        store.recordings.record_progress(claim, make_progress(epoch))
    live = store.jobs.get(claim.job.id).live
    assert live.progress == {
        "fraction": 0.02,
        "epoch": 2,
        "epochs": 100,
        "step": 6,
        "steps": 300,
        "eta_seconds": 1.5,
        "settled_epoch": None,
    }
    assert live.losses == {"total": 2.0, "validation": None}
    assignment = store.jobs.assignment(claim.job.id)
    assert (assignment.epoch, assignment.categories) == (2, ["category_0", "category_1"])
    assert assignment.matrix.dtype == np.float32
    assert assignment.matrix.tolist() == [[0.5, 0.5]] * 6


def test_an_epoch_done_again_replaces_it_and_all_later_ones(store, claim, make_progress):
    for epoch in range(6):
        store.recordings.record_progress(claim, make_progress(epoch, epochs=50))
    store.recordings.record_progress(claim, make_progress(3, epochs=50, columns=3))
    job_id = claim.job.id
    assert [record.epoch for record in store.jobs.metrics(job_id)] == [1, 2, 3]
    assert store.jobs.assignment(job_id).matrix.shape == (6, 3)
    assert [store.jobs.assignment(job_id, epoch) is None for epoch in range(6)] == [False] * 4 + [True] * 2


def test_evenly_spaced_assignments_of_a_long_run_are_kept(store, claim, make_progress, monkeypatch):
    monkeypatch.setattr(job_recorder, "KEPT_ASSIGNMENTS", 4)
    for epoch in range(19):
        store.recordings.record_progress(claim, make_progress(epoch, epochs=20))
    kept = [epoch for epoch in range(20) if store.jobs.assignment(claim.job.id, epoch)]
    assert kept == [0, 5, 10, 15, 18]


def test_large_assignments_are_kept_less_often(store, claim, make_progress, monkeypatch):
    monkeypatch.setattr(job_recorder, "KEPT_ASSIGNMENT_BYTES", 100)
    for epoch in range(20):
        store.recordings.record_progress(claim, make_progress(epoch, epochs=20))
    kept = [epoch for epoch in range(20) if store.jobs.assignment(claim.job.id, epoch)]
    assert kept == [0, 10, 19]


def test_the_last_three_checkpoints_are_kept_and_no_other_file(store, claim, checkpoint):
    stray = checkpoint(10).with_name("checkpoint-1-7.half-written")
    stray.touch()
    paths = [checkpoint(step) for step in (20, 30, 40)]
    records = store.jobs.checkpoints(claim.job.id)
    assert [record.file_name for record in records] == [path.name for path in reversed(paths)]
    assert [(record.epoch, record.step) for record in records] == [(4, 40), (3, 30), (2, 20)]
    assert sorted(paths[0].parent.iterdir()) == sorted(paths)
    assert store.recordings.latest_checkpoints(claim) == records


def test_a_checkpoint_after_falling_back_replaces_the_later_ones(store, claim, checkpoint):
    paths = [checkpoint(step) for step in (10, 20, 30)]
    again = checkpoint(20, token=2)
    records = store.jobs.checkpoints(claim.job.id)
    assert [record.file_name for record in records] == [again.name, paths[0].name]
    assert sorted(again.parent.iterdir()) == sorted([again, paths[0]])
