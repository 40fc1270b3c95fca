"""Jobs run by the code of the job process, called in this one."""

import json
import os
import resource
import shutil
import signal
import sys
import time

import psutil
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from app.requests.jobs.dry_run import resolve_plan
from catvq.training.stage.joint_stage import QUIET_EPOCHS
from worker.contract.job_config import JobRequest, JobStatus
from worker.contract.settings import WorkerSettings
from worker.jobs import heartbeat
from worker.jobs.train import model_id_of
from worker.store import StoreUnavailable

STATIC = {"mode": "static"}
LEARNABLE = {"mode": "learnable", "estimator": "softmax"}  # learns without the search, which is slow to start
LONG = {"training": {"epochs": 5000}}


@pytest.fixture
def settings(tmp_path):
    return WorkerSettings(data_dir=tmp_path / "data", threads=1)


@pytest.fixture
def claim(store, submit):
    """Claims a new job, or one that waits again; static unless given otherwise, which trains faster."""

    def take(job=None, **sections):
        job = job or submit(**({"training": {"epochs": 3}, "assignment": STATIC} | sections))
        return store.leases.claim(job.id, "w", threads=1)

    return take


def events(store, job, *kinds):
    return [event for event in store.jobs.events(job.id, limit=10_000) if event.type in kinds]


def test_a_run_starts_from_the_groups_of_a_model(store, claim, run, dataset):
    groups = {"x": dataset.features[::2], "y": dataset.features[1::2]}
    first = run(claim(assignment=STATIC | {"init": "user", "groups": groups}))
    store.aliases.put("best", first.model_id)
    second = run(claim(assignment=STATIC | {"init": "model", "model": "@best"}))
    directory = store.models.directory(second.model_id)
    grouping = json.loads((directory / "grouping.json").read_text())
    assert {category["name"]: category["features"] for category in grouping["categories"]} == groups


def test_a_model_is_trained_on_with_new_rows(store, claim, run, dataset, add_dataset):
    groups = {"x": dataset.features[::2], "y": dataset.features[1::2]}
    first = run(claim(assignment=STATIC | {"init": "user", "groups": groups}))
    more = add_dataset(seed=1)
    start = {"init": "model", "model": first.model_id, "take": "weights"}
    second = run(claim(dataset=more.id, training={"epochs": 2}, assignment=start))
    report = json.loads((store.models.directory(second.model_id) / "report.json").read_text())
    assert 0 < report["start"]["kept_codes"]["share"] <= 1
    assert store.models.groups(second.model_id) == store.models.groups(first.model_id)


def test_rows_of_another_dataset_test_the_model(store, claim, run, add_dataset):
    other = add_dataset(seed=1, rows=20)
    ended = run(claim(training={"epochs": 3, "split": {"test": other.id}}))
    report = json.loads((store.models.directory(ended.model_id) / "report.json").read_text())
    assert report["rows"] == {"train": 58, "validation": 6, "test": 20}
    assert report["codes"]["rows"] == 84
    assert 0 < report["reconstruction_error"]["test"] < 1


@pytest.mark.parametrize(("cell", "said"), [("heavy", "row 3 holds 'heavy'"), ("-1", "row 3 weighs -1")])
def test_a_wrong_weight_fails_the_job_and_names_the_row(store, claim, run, dataset, cell, said):
    weights = ["1"] * dataset.rows
    weights[2] = cell
    parquet.write_table(pa.table({"w": weights}), store.datasets.keys_path(dataset.id))
    ended = run(claim(training={"epochs": 1, "sample_weight": "w"}))
    assert (ended.status, ended.error.code) == (JobStatus.FAILED, "invalid_config")
    assert said in ended.error.text


def test_a_job_stopped_between_steps_goes_on_there_and_ends_the_same(store, claim, run, when):
    sections = {"training": {"epochs": 20, "batch_size": 8}, "assignment": LEARNABLE}
    twin = run(claim(**sections))
    held = claim(**sections)
    when(held.job.id, 5, lambda: os.kill(os.getpid(), signal.SIGTERM))
    stopped = run(held)
    assert (stopped.status, stopped.status_reason) == (JobStatus.QUEUED, "its worker was stopped")
    (newest, *_) = store.jobs.checkpoints(stopped.id)
    assert newest.step > stopped.live.progress["step"]  # in the middle of an epoch
    resumed = run(claim(stopped))
    (event,) = events(store, resumed, "resumed")
    assert (event.data["epoch"], event.data["step"]) == (newest.epoch, newest.step)
    assert (resumed.attempt.number, resumed.attempt.history) == (1, [])
    assert [record.epoch for record in store.jobs.metrics(resumed.id)] == list(range(1, 21))
    assert store.models.get(resumed.model_id).digest == store.models.get(twin.model_id).digest


def test_later_attempts_use_the_threads_of_the_first(store, submit, run):
    job = submit(training={"epochs": 1}, assignment=STATIC)
    store.leases.release(store.leases.claim(job.id, "w", threads=1), "test")
    torch.set_num_threads(2)
    run(store.leases.claim(job.id, "w", threads=2))
    assert torch.get_num_threads() == 1


def test_a_cancelled_job_ends_in_time_and_leaves_no_model(store, claim, run, when):
    held = claim(**LONG)
    asked = []

    def cancel():
        asked.append(time.monotonic())
        store.controls.cancel(held.job.id)

    when(held.job.id, 2, cancel)
    job = run(held)
    assert job.status is JobStatus.CANCELLED
    assert time.monotonic() - asked[0] < 3  # a second, and what a busy machine adds
    assert store.models.list().items == []


def test_a_job_cancelled_before_its_model_was_published_has_none(store, claim, run, dataset, monkeypatch):
    held = claim()
    freeze = store.recordings.add_event

    def cancel_when_frozen(claim, event, data):
        freeze(claim, event, data)
        if event == "frozen":
            store.controls.cancel(claim.job.id)

    monkeypatch.setattr(store.recordings, "add_event", cancel_when_frozen)
    job = run(held)
    assert job.status is JobStatus.CANCELLED
    assert store.models.list().items == []
    assert not store.models.directory(model_id_of(job.id, held.token)).exists()


def test_a_model_whose_publication_was_not_confirmed_keeps_its_files(store, claim, run, monkeypatch):
    publish = store.leases.publish

    def answer_lost(*arguments):
        publish(*arguments)
        raise StoreUnavailable("the connection broke after the commit", code="store_unavailable")

    monkeypatch.setattr(store.leases, "publish", answer_lost)
    monkeypatch.setattr(heartbeat, "RETRY_AFTER_S", 0.0)
    job = run(claim())
    assert job.status is JobStatus.SUCCEEDED
    assert (store.models.directory(job.model_id) / "encoder.onnx").exists()


def test_a_holder_that_lost_its_job_stops_and_writes_nothing(store, claim, run, when, submit):
    held = claim(**LONG)
    successor = []

    def take_away():
        store.outbox.release_worker("w")
        successor.append(store.leases.claim(held.job.id, "other", threads=1))

    when(held.job.id, 2, take_away)
    run(held)
    after = store.jobs.get(held.job.id)
    assert (after.status, after.worker_name, after.token) == (JobStatus.RUNNING, "other", successor[0].token)
    store.leases.cancel(successor[0])


def test_a_collapse_is_recorded_once_though_its_epoch_is_trained_again(store, claim, run, when):
    hot = {"temperature_start": 50.0, "temperature_schedule": "constant", "freeze_after_epochs": 2}
    training = {"epochs": 20, "batch_size": 8, "checkpoint_every_epochs": 1000}
    held = claim(training=training, assignment=LEARNABLE | hot)
    when(held.job.id, 5, lambda: store.outbox.release_worker("w"))
    run(held)
    assert store.jobs.get(held.job.id).status is JobStatus.QUEUED
    (told,) = events(store, held.job, "collapse")
    assert told.data["kind"] == "flat_temperature"
    assert told.data["epoch"] == 2

    again = run(claim(held.job))

    assert again.status is JobStatus.SUCCEEDED
    assert not events(store, again, "resumed")
    assert events(store, again, "collapse") == [told]
    report = json.loads((store.models.directory(again.model_id) / "report.json").read_text())
    (collapse,) = report["collapse"]
    assert {name: collapse[name] for name in ("kind", "cause", "action")} == {
        name: told.data[name] for name in ("kind", "cause", "action")
    }
    assert told.data["subjects"] == {collapse["subject"]: collapse["measure"]}


def test_a_job_records_the_epoch_at_which_its_assignment_settles(store, claim, run):
    settling = {
        "temperature_start": 0.05,
        "temperature_end": 0.05,
        "freeze_when_settled": True,
        "freeze_after_epochs": None,
    }

    job = run(claim(training={"epochs": 12, "batch_size": 8}, assignment=LEARNABLE | settling))

    (told,) = events(store, job, "settled")
    assert told.data == {"epoch": QUIET_EPOCHS, "temperature": pytest.approx(0.05)}
    assert job.live.progress["settled_epoch"] == QUIET_EPOCHS


def test_a_collapse_is_neither_forgotten_nor_repeated_by_a_job_that_resumes(store, claim, run, when):
    hot = {"temperature_start": 50.0, "temperature_schedule": "constant", "freeze_after_epochs": 2}
    held = claim(training={"epochs": 20, "batch_size": 8}, assignment=LEARNABLE | hot)
    when(held.job.id, 5, lambda: os.kill(os.getpid(), signal.SIGTERM))
    stopped = run(held)
    resumed = run(claim(stopped))
    assert len(events(store, resumed, "resumed")) == 1
    (told,) = events(store, resumed, "collapse")
    report = json.loads((store.models.directory(resumed.model_id) / "report.json").read_text())
    assert [collapse["first_epoch"] for collapse in report["collapse"]] == [told.data["epoch"]] == [2]


def cut(checkpoint, _older):
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])


def remove(checkpoint, _older):
    checkpoint.unlink()


def replace(checkpoint, older):
    shutil.copy(older, checkpoint)


@pytest.mark.parametrize(("spoil", "spoilt"), [(cut, 1), (replace, 1), (remove, 3)])
def test_a_corrupt_checkpoint_is_skipped(store, claim, run, when, spoil, spoilt):
    held = claim(training={"epochs": 20, "batch_size": 8})
    when(held.job.id, 5, lambda: os.kill(os.getpid(), signal.SIGTERM))
    stopped = run(held)
    checkpoints = store.jobs.checkpoints(stopped.id)
    paths = [store.spool_dir.parent / "jobs" / stopped.id / record.file_name for record in checkpoints]
    for path in paths[:spoilt]:
        spoil(path, paths[-1])
    job = run(claim(stopped))
    assert job.status is JobStatus.SUCCEEDED
    warnings = [event.data["text"] for event in events(store, job, "warning")]
    assert [path.name in text for path, text in zip(paths, warnings, strict=False)] == [True] * spoilt
    resumed = [event.data["step"] for event in events(store, job, "resumed")]
    assert resumed == [checkpoint.step for checkpoint in checkpoints[spoilt:][:1]]
    assert [record.epoch for record in store.jobs.metrics(job.id)] == list(range(1, 21))


def test_what_an_unpublished_attempt_left_is_removed(store, claim, run):
    held = claim()
    leftover = store.models.directory(model_id_of(held.job.id, held.token))
    leftover.mkdir(parents=True)
    store.leases.release(held, "test")
    job = run(claim(held.job))
    assert job.status is JobStatus.SUCCEEDED
    assert not leftover.exists()


def test_data_that_cannot_be_learnt_from_fails_the_job(store, add_dataset, claim, run):
    job = run(claim(dataset=add_dataset(seed=1, scale=0.0).id))
    assert (job.status, job.error.code) == (JobStatus.FAILED, "invalid_config")
    assert job.status_reason == job.error.text
    assert events(store, job, "failed")[0].data == {"code": job.error.code, "text": job.error.text}


@pytest.fixture
def little_memory():
    """Leaves this process some hundred MB more than it has."""
    most = resource.getrlimit(resource.RLIMIT_AS)
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + (500 << 20), most[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, most)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of Linux")
def test_a_job_that_runs_out_of_memory_fails_and_names_the_settings(store, dataset, run, little_memory):
    large = {
        "model": {"categories": 6, "levels": 8, "codebook_size": 4096, "latent_dim": 512},
        "assignment": STATIC,
    }
    request = JobRequest.model_validate({"dataset": dataset.id} | large)
    plan = resolve_plan(request.config, dataset)
    held = store.leases.claim(store.jobs.submit(request, plan.to_dict()).job.id, "w", threads=1)
    job = run(held)
    assert (job.status, job.error.code) == (JobStatus.FAILED, "out_of_memory")
    for setting in ("model.codebook_size 4096", "model.latent_dim 512", "model.categories 6"):
        assert setting in job.error.text


def test_a_vanished_file_fails_the_job(store, claim, run, dataset):
    held = claim()
    store.datasets.values_path(dataset.id).unlink()
    job = run(held)
    assert (job.status, job.error.code) == (JobStatus.FAILED, "internal_error")
    assert "values.npy" in job.error.text


def test_a_vanished_model_to_start_from_fails_the_job(store, claim, run):
    model = run(claim()).model_id
    held = claim(assignment={"init": "model", "model": model})
    shutil.rmtree(store.models.directory(model))
    job = run(held)
    assert (job.status, job.error.code) == (JobStatus.FAILED, "model_not_found")
