"""Requeues jobs of lost workers, and finds queued jobs whose message must be sent again."""

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from worker.contract.job_config import JobStatus
from worker.store.database.engine import Database
from worker.store.database.job_rows import HELD, append_event, ended, paused, requeued, to_job
from worker.store.database.schema import DatabaseNow, jobs
from worker.store.jobs.statistics import Statistics, count_lease_loss, read_statistics
from worker.store.records import JobRecord, Json, RequestedAction

SEND_DELAYS_S = (2.0, 4.0, 8.0, 16.0, 32.0)  # after the first announcement, the second, ...
LONGEST_SEND_DELAY_S = 60.0
LONGEST_LOCK_WAIT_S = 1.0  # a longer wait for a lock means that others could not write either
KEPT_LOSSES = 20  # bounds the history of a job that is retried for months


class Outbox:
    """Requeues and announces jobs; any number of workers may use it at once.

    Args:
        grace_s: How long a lease must be seen as expired, by a caller that can write, before it is lost.
    """

    def __init__(self, database: Database, *, grace_s: float) -> None:
        self._database = database
        self._grace_s = grace_s
        self._overdue: dict[tuple[str, int, float], float] = {}

    def expire_leases(self) -> list[str]:
        """Requeue or end jobs whose lease has expired; returns their ids.

        While the database is locked or down, workers cannot renew their leases. So a lease must be seen as
        expired twice, `grace_s` apart, by a caller that could write at once both times.
        """
        is_over = sa.and_(jobs.c.lease_expires_at < DatabaseNow(), jobs.c.status.in_(HELD))
        seen_before, self._overdue = self._overdue, {}  # reset if the following fails
        if not self._exists(is_over):
            return []
        query = sa.select(jobs).where(is_over).with_for_update(skip_locked=True)
        began = time.monotonic()
        with self._database.write() as connection:
            rows = connection.execute(query).mappings().all()
            now = time.monotonic()
            if now - began > LONGEST_LOCK_WAIT_S:
                seen_before = {}
            held = {(row["id"], row["token"], row["lease_expires_at"]): to_job(row) for row in rows}
            self._overdue = {key: seen_before.get(key, now) for key in held}
            lost = [held[key] for key, since in self._overdue.items() if now - since >= self._grace_s]
            for job in lost:
                _end_attempt(connection, job, "its worker stopped answering")
        return [job.id for job in lost]

    def release_worker(self, worker_name: str | None, reason: str = "its worker died") -> list[str]:
        """Requeue or end the jobs of a dead worker; returns their ids."""
        is_its = sa.and_(jobs.c.worker_name == worker_name, jobs.c.status.in_(HELD))
        if not self._exists(is_its):
            return []
        query = sa.select(jobs).where(is_its).with_for_update(skip_locked=True)
        with self._database.write() as connection:
            lost = [to_job(row) for row in connection.execute(query).mappings()]
            for job in lost:
                _end_attempt(connection, job, reason)
        return [job.id for job in lost]

    def fail_worker(self, name_prefix: str, code: str, describe: Callable[[JobRecord], str]) -> list[str]:
        """Fail the jobs of a dead worker instead of retrying them; returns their ids.

        This includes a job that was requeued for this death a moment ago, unless it was cancelled.
        """
        held = sa.and_(jobs.c.worker_name.startswith(name_prefix, autoescape=True), jobs.c.status.in_(HELD))
        put_back = sa.and_(jobs.c.status == JobStatus.QUEUED, jobs.c.losses > 0)
        query = sa.select(jobs).where(sa.or_(held, put_back)).with_for_update()
        ended_ids = []
        with self._database.write() as connection:
            for job in [to_job(row) for row in connection.execute(query).mappings()]:
                error = {"code": code, "text": describe(job)}
                if job.status in HELD:
                    _end_attempt(connection, job, "memory ran out", error)
                elif job.attempt.history[-1]["worker"].startswith(name_prefix):
                    _fail(connection, job, error)
                else:
                    continue
                ended_ids.append(job.id)
        return ended_ids

    def drain_workers(self, name_prefix: str) -> None:
        """Ask the workers with this name prefix to save and requeue their jobs."""
        named = jobs.c.worker_name.startswith(name_prefix, autoescape=True)
        with self._database.write() as connection:
            connection.execute(
                sa.update(jobs)
                .where(
                    named,
                    jobs.c.status == JobStatus.RUNNING,
                    jobs.c.requested_action.in_((RequestedAction.NONE, RequestedAction.STEER)),
                )
                .values(requested_action=RequestedAction.DRAIN)
            )

    def held_jobs(self) -> dict[str, str]:
        """The job of each job process that holds one, by the process's name."""
        query = sa.select(jobs.c.worker_name, jobs.c.id).where(jobs.c.status.in_(HELD))
        with self._database.read() as connection:
            return {row.worker_name: row.id for row in connection.execute(query)}

    def count_queued(self) -> int:
        """The number of queued jobs."""
        query = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.status == JobStatus.QUEUED)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def statistics(self) -> Statistics:
        """The numbers that `/metrics` shows."""
        return read_statistics(self._database)

    def take_due(self, limit: int) -> list[str]:
        """The ids of queued jobs whose message is due, oldest first, each returned to one caller.

        A job that stays queued becomes due again, after a delay that doubles each time.
        """
        due = (
            sa.select(jobs.c.id)
            .where(jobs.c.status == JobStatus.QUEUED, jobs.c.next_send_at <= DatabaseNow())
            .order_by(jobs.c.seq)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._database.write() as connection:
            ids = list(connection.execute(due).scalars())
            for job_id in ids:
                connection.execute(
                    sa.update(jobs)
                    .where(jobs.c.id == job_id)
                    .values(next_send_at=DatabaseNow() + _send_delay(), sends=jobs.c.sends + 1)
                )
        return ids

    def _exists(self, which: sa.ColumnElement[bool]) -> bool:
        """Whether there is such a job; usually not, and then no lock is taken."""
        with self._database.read() as connection:
            return connection.execute(sa.select(jobs.c.id).where(which).limit(1)).first() is not None


def _send_delay() -> sa.ColumnElement[float]:
    return sa.case(dict(enumerate(SEND_DELAYS_S)), value=jobs.c.sends, else_=LONGEST_SEND_DELAY_S)


def _end_attempt(connection: sa.Connection, job: JobRecord, reason: str, error: Json | None = None) -> None:
    """Requeue a job whose worker is lost, or end it: with an error, after too many losses, or as asked."""
    count_lease_loss(connection)
    losses = connection.execute(sa.select(jobs.c.losses).where(jobs.c.id == job.id)).scalar_one() + 1
    loss = {
        "number": job.attempt.number,
        "worker": job.worker_name,
        "reason": reason,
        "epoch": 0 if job.live is None else job.live.progress["epoch"],
    }
    changes: dict[str, Any] = {
        "losses": losses,
        "history": [*job.attempt.history, loss][-KEPT_LOSSES:],
    }
    text = f"{losses} attempts in a row were lost without a new checkpoint; the last one because {reason}"
    if error is None and losses >= job.attempt.max:
        error = {"code": "worker_lost", "text": text}
    data: dict[str, Any] = {"reason": reason, "attempt": job.attempt.number}
    if job.status is JobStatus.CANCELLING:
        event, values = "cancelled", ended(JobStatus.CANCELLED, "cancelled by the user", **changes)
    elif error is not None:
        _fail(connection, job, error, **changes)
        return
    elif job.status is JobStatus.PAUSING:
        event, values = "paused", paused(**changes)
    else:
        event, values = "released", requeued(reason, **changes)
    connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(**values))
    append_event(connection, job.id, event, data)


def _fail(connection: sa.Connection, job: JobRecord, error: Json, **changes: Any) -> None:
    values = ended(JobStatus.FAILED, error["text"], error=error, **changes)
    connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(**values))
    append_event(connection, job.id, "failed", error)
