"""Reads and updates rows of `jobs`, and appends job events; shared by the rest of the store."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from worker.contract.job_config import JobStatus
from worker.store.database.errors import LeaseLost, NotFound
from worker.store.database.row_records import to_record
from worker.store.database.schema import DatabaseNow, expired, job_events, jobs
from worker.store.records import (
    Claim,
    JobRecord,
    RequestedAction,
)

HELD = (JobStatus.RUNNING, JobStatus.PAUSING, JobStatus.CANCELLING)  # a worker has the job


def to_job(row: sa.RowMapping) -> JobRecord:
    """Convert a row of `jobs` to a record."""
    attempt = {"number": row["attempt"], "max": row["max_attempts"], "history": row["history"]}
    return to_record(JobRecord, {**row, "attempt": attempt})


def read_job(connection: sa.Connection, job_id: str, *, for_update: bool = False) -> JobRecord:
    """The job of this id.

    Args:
        for_update: Lock the row until the transaction ends.

    Raises:
        NotFound: No such job.
    """
    query = sa.select(jobs).where(jobs.c.id == job_id)
    row = connection.execute(query.with_for_update() if for_update else query).mappings().one_or_none()
    if row is None:
        raise NotFound("job", job_id)
    return to_job(row)


def visible_change(**values: Any) -> dict[str, Any]:
    """UPDATE values for a change that users can see; increments the job's version."""
    return {**values, "version": jobs.c.version + 1, "updated_at": DatabaseNow()}


def ended(status: JobStatus, reason: str | None, **values: Any) -> dict[str, Any]:
    """UPDATE values that end a job, release it from its worker and make its webhook due."""
    return visible_change(
        status=status,
        status_reason=reason,
        finished_at=DatabaseNow(),
        requested_action=RequestedAction.NONE,
        worker_name=None,
        lease_expires_at=None,
        next_send_at=DatabaseNow(),
        sends=0,
        **values,
    )


def paused(**values: Any) -> dict[str, Any]:
    """UPDATE values that pause a job."""
    return visible_change(
        status=JobStatus.PAUSED,
        status_reason="paused by the user",
        requested_action=RequestedAction.NONE,
        worker_name=None,
        lease_expires_at=None,
        next_send_at=None,
        **values,
    )


def requeued(reason: str | None, **values: Any) -> dict[str, Any]:
    """UPDATE values that requeue a job and make its announcement due."""
    return visible_change(
        status=JobStatus.QUEUED,
        status_reason=reason,
        requested_action=RequestedAction.NONE,
        worker_name=None,
        lease_expires_at=None,
        next_send_at=DatabaseNow(),
        sends=0,
        **values,
    )


def update_held(connection: sa.Connection, claim: Claim, values: Mapping[str, Any]) -> None:
    """Update the row of a job that this claim holds.

    Raises:
        LeaseLost: The job is no longer held with this token; nothing was changed.
    """
    held = sa.and_(jobs.c.id == claim.job.id, jobs.c.token == claim.token, jobs.c.status.in_(HELD))
    if connection.execute(sa.update(jobs).where(held).values(**values)).rowcount != 1:
        raise LeaseLost(f"Job {claim.job.id} is no longer held with token {claim.token}.", code="lease_lost")


def remember_expired(connection: sa.Connection, identifier: str) -> None:
    """Record that an id was deleted by retention, so that requests for it answer 410."""
    connection.execute(sa.insert(expired).values(id=identifier, expired_at=DatabaseNow()))


def append_event(connection: sa.Connection, job_id: str, event: str, data: Mapping[str, Any]) -> None:
    """Append an event; a counter on the job's row numbers events without gaps, across processes."""
    seq = connection.execute(
        sa.update(jobs)
        .where(jobs.c.id == job_id)
        .values(event_count=jobs.c.event_count + 1)
        .returning(jobs.c.event_count)
    ).scalar_one()
    values = {"job_id": job_id, "seq": seq, "time": DatabaseNow(), "type": event, "data": dict(data)}
    connection.execute(sa.insert(job_events).values(**values))
