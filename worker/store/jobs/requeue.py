"""Keeps jobs moving when workers die or messages vanish: lost ones go back, waiting ones are announced."""

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from worker.contract.job_config import JobStatus
from worker.store.database.engine import Database
from worker.store.database.job_rows import HELD, append_event, ended, paused, requeued, to_job
from worker.store.database.schema import DatabaseNow, jobs
from worker.store.jobs.statistics import Statistics, count_lease_loss, read_statistics
from worker.store.records import JobRecord, Json, Wish

SEND_DELAYS_S = (2.0, 4.0, 8.0, 16.0, 32.0)  # after the first announcement, the second, ...
LONGEST_SEND_DELAY_S = 60.0
AT_ONCE_S = 1.0  # to get a lock: whoever waits longer was not the only one
KEPT_LOSSES = 20  # a job that lives for months must not carry every crash along


class Outbox:
    """Looks after all jobs; any number of workers may do so at once.

    Args:
        grace_s: How long a lease is seen to be over, by somebody who could write, before the job is taken.
    """

    def __init__(self, database: Database, *, grace_s: float) -> None:
        self._database = database
        self._grace_s = grace_s
        self._overdue: dict[tuple[str, int, float], float] = {}

    def expire_leases(self) -> list[str]:
        """Take jobs away from workers that were silent for a whole lease; returns their ids.

        Where the database was locked or away, workers could not renew their leases. So a lease that is over
        is seen twice, by one who could write at once both times, and its job is taken the second time.
        """
        is_over = sa.and_(jobs.c.lease_expires_at < DatabaseNow(), jobs.c.status.in_(HELD))
        seen_before, self._overdue = self._overdue, {}  # forgotten if what follows fails
        if not self._exists(is_over):
            return []
        query = sa.select(jobs).where(is_over).with_for_update(skip_locked=True)
        began = time.monotonic()
        with self._database.write() as connection:
            rows = connection.execute(query).mappings().all()
            now = time.monotonic()
            if now - began > AT_ONCE_S:
                seen_before = {}
            held = {(row["id"], row["token"], row["lease_expires_at"]): to_job(row) for row in rows}
            self._overdue = {key: seen_before.get(key, now) for key in held}
            lost = [held[key] for key, since in self._overdue.items() if now - since >= self._grace_s]
            for job in lost:
                _end_attempt(connection, job, "its worker stopped answering")
        return [job.id for job in lost]

    def release_worker(self, worker_name: str) -> list[str]:
        """Take jobs away from a worker that is known to be dead; returns their ids."""
        is_its = sa.and_(jobs.c.worker_name == worker_name, jobs.c.status.in_(HELD))
        if not self._exists(is_its):
            return []
        query = sa.select(jobs).where(is_its).with_for_update(skip_locked=True)
        with self._database.write() as connection:
            lost = [to_job(row) for row in connection.execute(query).mappings()]
            for job in lost:
                _end_attempt(connection, job, "its worker died")
        return [job.id for job in lost]

    def fail_worker(self, name_prefix: str, code: str, describe: Callable[[JobRecord], str]) -> list[str]:
        """End the jobs that a dead worker held, instead of trying them again; returns their ids.

        Also one that was put back into the queue for its death a moment ago, unless it was cancelled.
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
        """Wish that the workers of these names put their jobs back into the queue."""
        named = jobs.c.worker_name.startswith(name_prefix, autoescape=True)
        with self._database.write() as connection:
            connection.execute(
                sa.update(jobs)
                .where(named, jobs.c.status == JobStatus.RUNNING, jobs.c.wish.in_((Wish.NONE, Wish.STEER)))
                .values(wish=Wish.DRAIN)
            )

    def busy_workers(self) -> set[str]:
        """The names of all workers that hold a job."""
        query = sa.select(jobs.c.worker_name).where(jobs.c.status.in_(HELD)).distinct()
        with self._database.read() as connection:
            return set(connection.execute(query).scalars())

    def count_queued(self) -> int:
        """How many jobs wait for a worker."""
        query = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.status == JobStatus.QUEUED)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def statistics(self) -> Statistics:
        """What operators watch."""
        return read_statistics(self._database)

    def take_due(self, limit: int) -> list[str]:
        """The longest waiting jobs that should be announced now, each handed to one caller only.

        A job that stays in the queue comes up again, after a delay that doubles each time.
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
        """Whether there is such a job; where none was lost, as usual, no lock is taken."""
        with self._database.read() as connection:
            return connection.execute(sa.select(jobs.c.id).where(which).limit(1)).first() is not None


def _send_delay() -> sa.ColumnElement[float]:
    return sa.case(dict(enumerate(SEND_DELAYS_S)), value=jobs.c.sends, else_=LONGEST_SEND_DELAY_S)


def _end_attempt(connection: sa.Connection, job: JobRecord, reason: str, error: Json | None = None) -> None:
    """Put a job whose worker is lost back into the queue, or end it where it must, as with an error."""
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
