"""The actions that each state of a job accepts, and the state that follows."""

import dataclasses

import pytest

from app.requests.jobs.dry_run import resolve_plan
from worker.contract.job_config import JobRequest, JobStatus
from worker.contract.settings import ServiceSettings
from worker.store import NotFound, RequestedAction, Store
from worker.store.database.errors import Conflict, QueueFull


@pytest.fixture
def submit(store, dataset):
    """Puts a learnable job with a temperature schedule into the queue, with its plan."""

    def put(**sections):
        request = JobRequest(dataset=dataset.id, **({"assignment": {"estimator": "softmax"}} | sections))
        return store.jobs.submit(request, resolve_plan(request.config, dataset).to_dict()).job

    return put


@pytest.fixture
def running(store, submit):
    return store.leases.claim(submit().id, "w", threads=1)


def in_state(store, submit, status):
    """A job in a state, brought there as users and workers do."""
    job = submit()
    if status is JobStatus.QUEUED:
        return job
    claim = store.leases.claim(job.id, "w", threads=1)
    ways = {
        JobStatus.RUNNING: lambda: None,
        JobStatus.PAUSING: lambda: store.controls.pause(job.id),
        JobStatus.PAUSED: lambda: (store.controls.pause(job.id), store.leases.release(claim, "x")),
        JobStatus.CANCELLING: lambda: store.controls.cancel(job.id),
        JobStatus.CANCELLED: lambda: store.leases.cancel(claim),
        JobStatus.FAILED: lambda: store.leases.fail(claim, "disk_full", "No space left."),
        JobStatus.SUCCEEDED: lambda: store.leases.publish(claim, f"model_{job.id}", {}, "abc"),
    }
    ways[status]()
    assert store.jobs.get(job.id).status is status
    return job


Q, R, PI, P, CI, C, S, F = (
    JobStatus.QUEUED,
    JobStatus.RUNNING,
    JobStatus.PAUSING,
    JobStatus.PAUSED,
    JobStatus.CANCELLING,
    JobStatus.CANCELLED,
    JobStatus.SUCCEEDED,
    JobStatus.FAILED,
)
OUTCOMES = {
    "cancel": {Q: C, R: CI, PI: CI, P: C, CI: CI},
    "pause": {Q: P, R: PI, PI: PI},
    "resume": {PI: R, P: Q},
    "finish": {R: R, PI: R, P: Q},
    "retry": {C: Q, F: Q},
}


@pytest.mark.parametrize("action", OUTCOMES)
@pytest.mark.parametrize("status", JobStatus)
def test_an_action_is_accepted_in_the_right_states_only(store, submit, action, status):
    job = in_state(store, submit, status)
    before = store.jobs.get(job.id)
    if status in OUTCOMES[action]:
        assert getattr(store.controls, action)(job.id).status is OUTCOMES[action][status]
    else:
        with pytest.raises(Conflict):
            getattr(store.controls, action)(job.id)
        assert store.jobs.get(job.id) == before


@pytest.mark.parametrize("action", OUTCOMES)
def test_no_action_is_accepted_for_an_unknown_job(store, action):
    with pytest.raises(NotFound):
        getattr(store.controls, action)("job_0")


@pytest.mark.parametrize(
    ("action", "requested"),
    [("cancel", RequestedAction.CANCEL), ("pause", RequestedAction.PAUSE), ("finish", RequestedAction.STEER)],
)
def test_the_heartbeat_returns_the_requested_action(store, running, action, requested):
    getattr(store.controls, action)(running.job.id)
    assert store.leases.heartbeat(running) is requested


def test_a_paused_job_waits_for_its_user_whatever_its_worker_does(store, running):
    store.controls.pause(running.job.id)
    store.outbox.release_worker("w")
    job = store.jobs.get(running.job.id)
    assert (job.status, job.worker_name, len(job.attempt.history)) == (JobStatus.PAUSED, None, 1)
    assert store.leases.claim_next("w", threads=1) is None
    store.controls.resume(job.id)
    assert store.leases.claim_next("w", threads=1).job.id == job.id


def test_a_job_resumed_before_it_was_paused_goes_on(store, running):
    store.controls.pause(running.job.id)
    store.controls.resume(running.job.id)
    store.leases.release(running, "its worker was stopped")
    assert store.jobs.get(running.job.id).status is JobStatus.QUEUED


def test_a_retried_job_starts_its_count_of_attempts_anew(store, submit):
    job = submit()
    for _ in range(store.jobs.get(job.id).attempt.max):
        store.leases.claim(job.id, "w", threads=1)
        store.outbox.release_worker("w")
    failed = store.jobs.get(job.id)
    assert (failed.status, failed.error.code) == (JobStatus.FAILED, "worker_lost")
    retried = store.controls.retry(job.id)
    assert (retried.error, retried.status_reason, retried.finished_at) == (None, None, None)
    assert store.leases.claim(job.id, "w", threads=1).job.attempt.number == 1


def test_a_job_cannot_be_retried_without_its_dataset(store, submit, dataset):
    job = in_state(store, submit, JobStatus.FAILED)
    store.datasets.delete(dataset.id)
    with pytest.raises(Conflict) as refused:
        store.controls.retry(job.id)
    assert refused.value.code == "dataset_not_found"


@pytest.mark.parametrize(
    ("status", "action"),
    [(JobStatus.PAUSED, "resume"), (JobStatus.PAUSED, "finish"), (JobStatus.FAILED, "retry")],
)
def test_a_full_queue_refuses_a_job_that_would_return_to_it(store, settings, submit, status, action):
    job = in_state(store, submit, status)
    submit()
    full = Store.connect(ServiceSettings(**(settings.model_dump() | {"max_queued_jobs": 1})))
    with pytest.raises(QueueFull):
        getattr(full.controls, action)(job.id)
    full.close()
    assert store.jobs.get(job.id).status is status


def test_what_was_steered_takes_effect_at_a_moment_that_is_kept(store, running):
    job_id = running.job.id
    store.controls.steer(job_id, held=True)
    store.controls.steer(job_id, held=True, temperature=0.5)
    store.controls.steer(job_id, held=True)
    assert store.jobs.get(job_id).temperature == 0.5
    first = store.recordings.record_steering(running, (7, True), 0.8)
    assert [(change.moment, change.temperature) for change in first] == [
        *(((7, True), 0.8), ((7, True), 0.5), ((7, True), 0.5))
    ]
    assert store.leases.heartbeat(running) is RequestedAction.NONE
    assert store.jobs.get(job_id).temperature == 0.5
    store.controls.steer(job_id, held=False)
    later = store.recordings.record_steering(running, (9, True), 0.5)
    assert later[:3] == first
    assert (later[3].moment, later[3].temperature) == ((9, True), None)
    assert not store.jobs.get(job_id).is_temperature_held
    assert store.recordings.record_steering(running, (11, True), 0.5) == later


def test_a_drained_job_is_steered_by_its_next_worker(store, running):
    store.outbox.drain_workers("w")
    store.controls.steer(running.job.id, held=True, temperature=0.5)
    assert store.leases.heartbeat(running) is RequestedAction.DRAIN
    store.leases.release(running, "its worker was stopped")
    (change,) = store.leases.claim(running.job.id, "w", threads=1).job.steering
    assert (change.moment, change.temperature) == (None, 0.5)


def test_draining_comes_before_steering(store, running):
    store.controls.steer(running.job.id, held=True)
    store.outbox.drain_workers("w")
    assert store.leases.heartbeat(running) is RequestedAction.DRAIN


def steer(store, job_id):
    return store.controls.steer(job_id, held=True)


@pytest.mark.parametrize("status", [Q, CI, C, S, F])
def test_only_a_job_that_has_started_is_steered(store, submit, status):
    with pytest.raises(Conflict):
        steer(store, in_state(store, submit, status).id)


def test_a_static_job_has_no_temperature_to_steer(store, submit):
    job = submit(assignment={"mode": "static"})
    store.leases.claim(job.id, "w", threads=1)
    with pytest.raises(Conflict) as refused:
        steer(store, job.id)
    assert refused.value.code == "assignment_static"


def test_a_hard_assignment_cannot_be_steered(store, running, make_progress):
    store.recordings.record_progress(running, make_progress(39))
    steer(store, running.job.id)
    store.recordings.record_progress(running, make_progress(40))
    with pytest.raises(Conflict) as refused:
        steer(store, running.job.id)
    assert refused.value.code == "assignment_hard"


def test_an_assignment_that_settled_ahead_of_time_cannot_be_steered(store, running, make_progress):
    store.recordings.record_progress(running, dataclasses.replace(make_progress(21), settled_epoch=20))
    with pytest.raises(Conflict, match="hard since epoch 20") as refused:
        steer(store, running.job.id)
    assert refused.value.code == "assignment_hard"
