"""Claims, renews, releases and ends jobs for workers; every write checks the claim's token."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from worker.contract.job_config import JobStatus
from worker.store.database.engine import Database
from worker.store.database.errors import CancelRequested, LeaseLost
from worker.store.database.job_rows import (
    HELD,
    append_event,
    ended,
    paused,
    read_job,
    requeued,
    to_job,
    update_held,
    visible_change,
)
from worker.store.database.schema import DatabaseNow, jobs, models
from worker.store.jobs.comparisons import request_comparison
from worker.store.jobs.pieces import forget_parts
from worker.store.records import Claim, JobRecord, RequestedAction


class Leases:
    """The claims of workers on jobs.

    Every method that takes a claim raises LeaseLost, having written nothing, once the job is lost.

    Args:
        lease_s: How long a claim is valid without a heartbeat.
    """

    def __init__(self, database: Database, *, lease_s: float) -> None:
        self._database = database
        self._lease_s = lease_s

    def claim(self, job_id: str, worker_name: str, *, threads: int) -> Claim | None:
        """Claim this job, if it is queued; of several callers, one gets it.

        Args:
            threads: Stored at the first attempt; the claim's job holds the number to use.
        """
        return self._claim(jobs.c.id == job_id, worker_name, threads)

    def claim_next(self, worker_name: str, *, threads: int) -> Claim | None:
        """Claim the job that has been queued longest, if any is."""
        waiting = sa.select(jobs.c.id).where(jobs.c.status == JobStatus.QUEUED).order_by(jobs.c.seq).limit(1)
        longest = waiting.with_for_update(skip_locked=True).scalar_subquery()
        return self._claim(jobs.c.id == longest, worker_name, threads)

    def heartbeat(self, claim: Claim) -> RequestedAction:
        """Extend the claim by a lease, and return the requested action."""
        held = sa.and_(jobs.c.id == claim.job.id, jobs.c.token == claim.token, jobs.c.status.in_(HELD))
        query = sa.update(jobs).where(held).values(lease_expires_at=DatabaseNow() + self._lease_s)
        with self._database.write() as connection:
            requested = connection.execute(query.returning(jobs.c.requested_action)).scalar_one_or_none()
        if requested is None:
            raise LeaseLost(f"Job {claim.job.id} was given to another worker.", code="lease_lost")
        return RequestedAction(requested)

    def release(self, claim: Claim, reason: str) -> None:
        """Requeue the job, to be resumed; pause or cancel it if its user asked for that.

        This does not count as a lost attempt.
        """
        with self._database.write() as connection:
            status = self._current(connection, claim).status
            if status is JobStatus.CANCELLING:
                self._give_up(
                    connection, claim, "cancelled", ended(JobStatus.CANCELLED, "cancelled by the user")
                )
            elif status is JobStatus.PAUSING:
                self._give_up(connection, claim, "paused", paused())
            else:
                self._give_up(connection, claim, "released", requeued(reason), {"reason": reason})

    def cancel(self, claim: Claim) -> None:
        """End the job as cancelled."""
        with self._database.write() as connection:
            self._give_up(connection, claim, "cancelled", ended(JobStatus.CANCELLED, "cancelled by the user"))

    def fail(self, claim: Claim, code: str, text: str) -> None:
        """End the job as failed, with the reason."""
        error = {"code": code, "text": text}
        with self._database.write() as connection:
            self._give_up(connection, claim, "failed", ended(JobStatus.FAILED, text, error=error), error)

    def publish(self, claim: Claim, model_id: str, document: Mapping[str, Any], digest: str) -> None:
        """Insert the model, whose files are in place, and mark the job succeeded, in one transaction.

        Raises:
            CancelRequested: The user cancelled the job first; nothing was written.
        """
        with self._database.write() as connection:
            job = self._current(connection, claim)
            _check_not_cancelled(job)
            connection.execute(
                sa.insert(models).values(
                    id=model_id,
                    digest=digest,
                    job_id=job.id,
                    dataset_id=job.dataset_id,
                    document=dict(document),
                    created_at=DatabaseNow(),
                )
            )
            request_comparison(connection, model_id, job.config)
            values = ended(JobStatus.SUCCEEDED, None, model_id=model_id)
            self._give_up(
                connection,
                claim,
                "published",
                values,
                {"model": model_id, "digest": digest, "token": claim.token},
            )

    def deliver(self, claim: Claim, dataset_id: str) -> None:
        """Mark an encoding job succeeded, with its dataset of codes; its parts are forgotten.

        Raises:
            CancelRequested: The user cancelled the job first; nothing was written.
        """
        with self._database.write() as connection:
            _check_not_cancelled(self._current(connection, claim))
            forget_parts(connection, claim.job.id)
            values = ended(JobStatus.SUCCEEDED, None, result_dataset_id=dataset_id)
            self._give_up(connection, claim, "delivered", values, {"dataset": dataset_id})

    def _claim(self, which: sa.ColumnElement[bool], worker_name: str, threads: int) -> Claim | None:
        query = (
            sa.update(jobs)
            .where(which, jobs.c.status == JobStatus.QUEUED)
            .values(
                **visible_change(
                    status=JobStatus.RUNNING,
                    status_reason=None,
                    requested_action=RequestedAction.NONE,
                    token=jobs.c.token + 1,
                    attempt=jobs.c.losses + 1,
                    worker_name=worker_name,
                    threads=sa.func.coalesce(jobs.c.threads, threads),
                    started_at=sa.func.coalesce(jobs.c.started_at, DatabaseNow()),
                    lease_expires_at=DatabaseNow() + self._lease_s,
                    next_send_at=None,
                )
            )
            .returning(jobs)
        )
        with self._database.write() as connection:
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                return None
            job = to_job(row)
            data = {"attempt": job.attempt.number, "worker": worker_name, "token": job.token}
            append_event(connection, job.id, "started", data)
            return Claim(read_job(connection, job.id), job.token)

    def _current(self, connection: sa.Connection, claim: Claim) -> JobRecord:
        """The claim's job, its row locked."""
        held = sa.and_(jobs.c.id == claim.job.id, jobs.c.token == claim.token, jobs.c.status.in_(HELD))
        row = connection.execute(sa.select(jobs).where(held).with_for_update()).mappings().one_or_none()
        if row is None:
            raise LeaseLost(f"Job {claim.job.id} was given to another worker.", code="lease_lost")
        return to_job(row)

    def _give_up(
        self,
        connection: sa.Connection,
        claim: Claim,
        event: str,
        values: Mapping[str, Any],
        data: Mapping[str, Any] | None = None,
    ) -> None:
        update_held(connection, claim, values)
        append_event(connection, claim.job.id, event, data or {})


def _check_not_cancelled(job: JobRecord) -> None:
    if job.status is JobStatus.CANCELLING:
        raise CancelRequested(f"Job {job.id} was cancelled.", code="cancel_requested")
