"""Jobs paused, finished and steered while they train, by the code of the job process."""

import json

import pytest

from app.requests.jobs.dry_run import resolve_plan
from worker.contract.job_config import JobRequest, JobStatus
from worker.contract.settings import WorkerSettings
from worker.store.database import schema

pytestmark = pytest.mark.slow

SOFT = {"training": {"epochs": 30, "batch_size": 8}, "assignment": {"estimator": "softmax"}}


@pytest.fixture
def settings(tmp_path):
    return WorkerSettings(data_dir=tmp_path / "data", threads=1)


@pytest.fixture
def claim(store):
    return lambda job: store.leases.claim(job.id, "w", threads=1)


@pytest.fixture
def submit(store, dataset):
    def put(**sections):
        request = JobRequest(dataset=dataset.id, **(SOFT | sections))
        return store.jobs.submit(request, resolve_plan(request.config, dataset).to_dict()).job

    return put


def events(store, job, kind):
    return [event.data for event in store.jobs.events(job.id, limit=10_000) if event.type == kind]


def copy_steering(store, source, target):
    """Give a job what another's user changed, as if it had happened to itself at the same steps."""
    with store._database.write() as connection:
        query = schema.jobs.select().where(schema.jobs.c.id == source.id)
        changes = connection.execute(query).mappings().one()["steering"]
        update = schema.jobs.update().where(schema.jobs.c.id == target.id)
        connection.execute(update.values(steering=changes))


def digest(store, job):
    return store.models.get(job.model_id).digest


def course(store, job):
    """How a job learnt: its losses after each epoch, and what it published."""
    losses = [(record.step, record.values["total"]) for record in store.jobs.metrics(job.id)]
    return losses, digest(store, job)


def test_a_paused_job_goes_on_where_it_stopped_and_ends_the_same(store, submit, claim, run, when):
    twin = run(claim(submit()))
    job = submit()
    when(job.id, 5, lambda: store.controls.pause(job.id))
    paused = run(claim(job))
    assert (paused.status, paused.worker_name) == (JobStatus.PAUSED, None)
    (newest, *_) = store.jobs.checkpoints(job.id)
    store.controls.resume(job.id)
    ended = run(claim(job))
    (resumed,) = events(store, job, "resumed")
    assert (resumed["epoch"], resumed["step"]) == (newest.epoch, newest.step)
    assert digest(store, ended) == digest(store, twin)


def test_a_finished_job_publishes_what_it_has_learnt(store, submit, claim, run, when):
    job = submit(training={"epochs": 5000})
    when(job.id, 2, lambda: store.controls.finish(job.id))
    ended = run(claim(job))
    assert ended.status is JobStatus.SUCCEEDED
    assert 1 <= ended.live.progress["epoch"] < 5000
    assert ended.live.progress["fraction"] == 1.0
    (steered,) = events(store, job, "steered")
    assert steered["finish"]
    assert store.jobs.checkpoints(job.id)[0].step == steered["step"]


def test_a_job_finished_during_its_search_ends_after_one_epoch(store, submit, claim, run):
    job = submit(assignment={})
    held = claim(job)
    store.controls.finish(job.id)
    store.leases.release(held, "its worker was stopped")
    ended = run(claim(job))
    assert (ended.status, ended.live.progress["epoch"]) == (JobStatus.SUCCEEDED, 1)


def test_a_steered_job_is_repeated_and_resumed_exactly(store, submit, claim, run, when):
    steered = submit()

    def steer():
        store.controls.steer(steered.id, held=True, temperature=0.4)

    when(steered.id, 3, steer)
    when(steered.id, 10, lambda: store.controls.steer(steered.id, held=False))
    ended = run(claim(steered))
    held, released = events(store, steered, "steered")
    assert (held["temperature"], released["temperature"]) == (0.4, None)
    temperatures = [record.values["temperature"] for record in store.jobs.metrics(steered.id)]
    steps = [record.step for record in store.jobs.metrics(steered.id)]
    held_epochs = [
        t for t, s in zip(temperatures, steps, strict=True) if held["step"] < s <= released["step"]
    ]
    assert held_epochs
    assert held_epochs == pytest.approx([0.4] * len(held_epochs))
    assert course(store, ended) != course(store, run(claim(submit())))

    repeated = submit()
    copy_steering(store, steered, repeated)
    assert course(store, run(claim(repeated))) == course(store, ended)

    interrupted = submit()
    copy_steering(store, steered, interrupted)
    when(interrupted.id, 6, lambda: store.controls.pause(interrupted.id))
    assert run(claim(interrupted)).status is JobStatus.PAUSED
    # From the very start again: what took effect later than the checkpoint is done again at its step.
    for checkpoint in store.jobs.checkpoints(interrupted.id):
        path = store.spool_dir.parent / "jobs" / interrupted.id / checkpoint.file_name
        path.write_bytes(b"torn")
    store.controls.resume(interrupted.id)
    assert course(store, run(claim(interrupted))) == course(store, ended)


def test_a_search_is_steered_and_repeated_too(store, submit, claim, run, when):
    job = submit(assignment={"init": "clustering"}, training={"epochs": 3})
    held = claim(job)
    store.controls.steer(job.id, held=True, temperature=0.05)
    ended = run(held)
    (change,) = ended.steering
    assert change.temperature == 0.05
    temperatures = [record.values["temperature"] for record in store.jobs.metrics(job.id)]
    assert temperatures == pytest.approx([0.05] * 3)
    repeated = submit(assignment={"init": "clustering"}, training={"epochs": 3})
    copy_steering(store, job, repeated)
    assert digest(store, run(claim(repeated))) == digest(store, ended)
    grouping = store.models.directory(ended.model_id) / "grouping.json"
    assert json.loads(grouping.read_text())["categories"]
