"""The actions of users on jobs: cancel, pause, resume, finish, retry, steer.

A job that no worker holds changes at once. For a held job the action is stored, and its worker reads it at
the next heartbeat.
"""

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from worker.contract.job_config import JobKind, JobStatus
from worker.store.database.engine import Database
from worker.store.database.errors import Conflict, NotFound
from worker.store.database.job_rows import append_event, ended, paused, read_job, requeued, visible_change
from worker.store.database.schema import jobs
from worker.store.jobs.quotas import JobQuotas, check_datasets
from worker.store.models.models import resolve_model_id
from worker.store.records import JobRecord, RequestedAction, Steering

FINISHING = "finishing with what was learnt so far"
MAX_CHANGES = 1000  # of one run: all are stored, as a resumed run replays them


class Controls:
    """The actions; each method raises NotFound for an unknown job and Conflict in the wrong state."""

    def __init__(self, database: Database, quotas: JobQuotas) -> None:
        self._database = database
        self._quotas = quotas

    def cancel(self, job_id: str) -> JobRecord:
        """End a job."""

        def end(connection: sa.Connection) -> JobRecord:
            job = read_job(connection, job_id, for_update=True)
            if job.status.is_terminal:
                raise Conflict(f"The job has already {job.status}.", code="job_ended")
            if job.status in {JobStatus.QUEUED, JobStatus.PAUSED}:
                values = ended(JobStatus.CANCELLED, "cancelled by the user")
                return _change(connection, job, "cancelled", values)
            if job.status is JobStatus.CANCELLING:
                return job
            values = visible_change(status=JobStatus.CANCELLING, requested_action=RequestedAction.CANCEL)
            return _change(connection, job, "cancelling", values)

        return self._database.write_on_full_disk(end)

    def pause(self, job_id: str) -> JobRecord:
        """Stop a running job at its current step, or remove a job from the queue, until it is resumed."""
        with self._database.write() as connection:
            job = read_job(connection, job_id, for_update=True)
            if job.status is JobStatus.QUEUED:
                return _change(connection, job, "paused", paused())
            if job.status is JobStatus.PAUSING:
                return job
            if job.status is not JobStatus.RUNNING:
                raise _wrong_state(job, "paused")
            values = visible_change(status=JobStatus.PAUSING, requested_action=RequestedAction.PAUSE)
            return _change(connection, job, "pausing", values)

    def resume(self, job_id: str) -> JobRecord:
        """Requeue a paused job, to continue where it stopped.

        Raises:
            QueueFull: Too many jobs are waiting.
        """
        with self._database.write() as connection:
            job = read_job(connection, job_id, for_update=True)
            if job.status is JobStatus.PAUSED:
                self._quotas.check_room(connection)
                return _change(connection, job, "resuming", requeued(None))
            if job.status is JobStatus.PAUSING:  # its worker stops nevertheless, and requeues it
                values = visible_change(status=JobStatus.RUNNING, requested_action=RequestedAction.STEER)
                return _change(connection, job, "resuming", values)
            raise _wrong_state(job, "resumed")

    def finish(self, job_id: str) -> JobRecord:
        """End a started job early, with the model as trained so far."""
        with self._database.write() as connection:
            job = read_job(connection, job_id, for_update=True)
            _check_steerable(job, "finished early")
            if job.is_finishing:
                return job
            values = _steered(job, Steering(finish=True))
            if job.status is JobStatus.PAUSED:
                self._quotas.check_room(connection)
                values = requeued(FINISHING, steering=values["steering"])
            elif job.status is not JobStatus.QUEUED:
                values |= {"status": JobStatus.RUNNING, "status_reason": FINISHING}
            return _change(connection, job, "finishing", values)

    def retry(self, job_id: str) -> JobRecord:
        """Requeue a failed or cancelled job, to continue from its last checkpoint.

        Raises:
            QueueFull: Too many jobs are waiting.
            TooManyJobs: Its API key has too many unfinished jobs.
        """
        with self._database.write() as connection:
            job = read_job(connection, job_id, for_update=True)
            if job.status not in {JobStatus.FAILED, JobStatus.CANCELLED}:
                raise _wrong_state(job, "retried")
            self._quotas.check_room(connection)
            key_id = connection.execute(sa.select(jobs.c.key_id).where(jobs.c.id == job_id)).scalar_one()
            self._quotas.check_share(connection, key_id)
            try:
                check_datasets(connection, job.dataset_id, job.config)
                if job.start_model_id is not None:
                    resolve_model_id(connection, job.start_model_id, for_share=True)
            except NotFound as error:
                raise Conflict(f"The job cannot be retried: {error}", code=error.code) from error
            values = requeued(None, losses=0, finished_at=None, error=sa.null())
            return _change(connection, job, "retrying", values)

    def steer(self, job_id: str, *, held: bool, temperature: float | None = None) -> JobRecord:
        """Hold a job's temperature at its current or a given value, or return it to its schedule.

        Raises:
            Conflict: Also in static mode, and once the assignment is hard.
        """
        with self._database.write() as connection:
            job = read_job(connection, job_id, for_update=True)
            _check_steerable(job, "steered")
            _check_softness(job)
            change = Steering(held=held, temperature=temperature)
            data = {"held": held, "temperature": temperature}
            return _change(connection, job, "steering", _steered(job, change), data)


def _change(
    connection: sa.Connection,
    job: JobRecord,
    event: str,
    values: dict[str, Any],
    data: dict[str, Any] | None = None,
) -> JobRecord:
    connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(**values))
    append_event(connection, job.id, event, data or {})
    return read_job(connection, job.id)


def _steered(job: JobRecord, change: Steering) -> dict[str, Any]:
    """UPDATE values that add a change and notify the worker, unless it is about to stop."""
    if len(job.steering) >= MAX_CHANGES:
        raise Conflict(f"The job was steered {MAX_CHANGES} times already.", code="steered_too_often")
    values: dict[str, Any] = {"steering": [asdict(each) for each in (*job.steering, change)]}
    if job.status is JobStatus.RUNNING and job.requested_action is RequestedAction.NONE:
        values["requested_action"] = RequestedAction.STEER
    return visible_change(**values)


def _check_steerable(job: JobRecord, what: str) -> None:
    if job.kind is JobKind.ENCODING:
        raise Conflict(f"The job encodes, so it cannot be {what}.", code="not_training")
    if job.status.is_terminal or job.status is JobStatus.CANCELLING or job.started_at is None:
        raise _wrong_state(job, what)


def _check_softness(job: JobRecord) -> None:
    settings = job.resolved["config"]["assignment"]
    if settings["mode"] == "static":
        raise Conflict("The assignment of a static job has no temperature.", code="assignment_static")
    progress = {"epoch": 0} if job.live is None else job.live.progress
    settled_epoch = progress.get("settled_epoch")
    hard_from = settings["freeze_after_epochs"] if settled_epoch is None else settled_epoch
    if progress["epoch"] >= hard_from:
        text = f"The assignment is hard since epoch {hard_from}."
        raise Conflict(text, code="assignment_hard")


def _wrong_state(job: JobRecord, what: str) -> Conflict:
    state = "has not started" if job.status is JobStatus.QUEUED else f"is {job.status}"
    return Conflict(f"The job {state}, so it cannot be {what}.", code="wrong_state")
