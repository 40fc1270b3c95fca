"""What a run leaves in the store, on every kind of database, recorded by the training process's own code."""

import pytest

from worker.contract.job_config import JobStatus
from worker.contract.settings import WorkerSettings

SOFTMAX = {"mode": "learnable", "estimator": "softmax"}  # learns without the search, which is slow to start


@pytest.fixture
def settings(tmp_path, database_url):
    return WorkerSettings(data_dir=tmp_path / "data", database_url=database_url, threads=1)


@pytest.fixture
def run(run, store, submit):
    return lambda **sections: run(store.leases.claim(submit(**sections).id, "w", threads=1))


def test_a_job_records_every_epoch_and_its_start(store, run):
    job = run(training={"epochs": 3}, assignment=SOFTMAX)
    assert job.status is JobStatus.SUCCEEDED
    assert [store.jobs.assignment(job.id, epoch).epoch for epoch in range(4)] == [0, 1, 2, 3]
    first, *_, last = store.jobs.metrics(job.id)
    assert (first.epoch, last.epoch) == (1, 3)
    assert {
        "total",
        "validation",
        "temperature",
        "assignment_entropy",
        "codebook_usage",
    } <= last.values.keys()
    assert job.live.losses["total"] == last.values["total"]
    assert job.live.temperature == last.values["temperature"]


def test_checkpoints_are_as_rare_as_asked_but_for_the_last(store, run):
    job = run(training={"epochs": 5, "checkpoint_every_epochs": 2}, assignment={"mode": "static"})
    events = [event for event in store.jobs.events(job.id) if event.type == "checkpoint"]
    assert [event.data["epoch"] for event in events] == [2, 4, 5]
    assert [record.epoch for record in store.jobs.checkpoints(job.id)] == [5, 4, 2]


def test_the_progress_of_a_search_is_recorded_before_the_first_epoch(store, run):
    job = run(training={"epochs": 1}, model={"categories": 2}, assignment={"init": "clustering"})
    events = [event for event in store.jobs.events(job.id, limit=1000) if event.type == "checkpoint"]
    searched = [event.data["step"] for event in events if event.data["epoch"] == 0]
    assert len(searched) > 2
    assert searched == sorted(searched)
    assert [record.epoch for record in store.jobs.metrics(job.id)] == [1]


def test_a_run_that_stops_early_is_shown_as_complete(run):
    job = run(training={"epochs": 5000, "max_seconds": 0.01}, assignment={"mode": "static"})
    assert job.status is JobStatus.SUCCEEDED
    assert job.live.progress["epoch"] < 5000
    assert (job.live.progress["fraction"], job.live.progress["eta_seconds"]) == (1.0, 0.0)


def test_settings_that_make_the_loss_infinite_fail_the_job(run):
    training = {"epochs": 200, "learning_rate": 10.0, "gradient_clip_norm": None}
    weights = dict.fromkeys(("commitment_weight", "topographic_weight", "informativeness_weight"), 1e6)
    model = weights | {"hidden_dim": 1024, "embedding_dim": 1024}
    job = run(training=training, assignment={"mode": "static"}, model=model)
    assert (job.status, job.error.code) == (JobStatus.FAILED, "diverged")
    assert "learning_rate" in job.error.text
