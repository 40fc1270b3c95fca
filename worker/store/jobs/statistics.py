"""Job statistics for `/metrics`: numbers and ages by state, training speed, lost workers."""

from dataclasses import dataclass

import sqlalchemy as sa

from worker.contract.job_config import JobStatus
from worker.store.database.engine import Database
from worker.store.database.job_rows import HELD
from worker.store.database.schema import DatabaseNow, counters, jobs
from worker.store.datasets.datasets import UNFINISHED
from worker.store.records import LiveState

LEASE_LOSSES = "lease_losses"


@dataclass(frozen=True)
class Statistics:
    """A snapshot of the unfinished jobs.

    Args:
        jobs: Number of jobs in each unfinished state.
        oldest_s: Seconds since the oldest of them was submitted; 0 without one.
        steps_per_s: Of all running jobs together, from their own estimates.
        lease_losses: How often a job has lost its worker, since the store was created.
    """

    jobs: dict[JobStatus, int]
    oldest_s: dict[JobStatus, float]
    steps_per_s: float
    lease_losses: int


def read_statistics(database: Database) -> Statistics:
    """Read the statistics."""
    age = DatabaseNow() - sa.func.min(jobs.c.created_at)
    by_status = sa.select(jobs.c.status, sa.func.count(), age).where(jobs.c.status.in_(UNFINISHED))
    lives = sa.select(jobs.c.live).where(jobs.c.status.in_(HELD))
    losses = sa.select(counters.c.value).where(counters.c.name == LEASE_LOSSES)
    with database.read() as connection:
        rows = connection.execute(by_status.group_by(jobs.c.status)).all()
        return Statistics(
            jobs=dict.fromkeys(UNFINISHED, 0) | {JobStatus(row[0]): row[1] for row in rows},
            oldest_s=dict.fromkeys(UNFINISHED, 0.0) | {JobStatus(row[0]): row[2] for row in rows},
            steps_per_s=sum(_pace(LiveState(**live)) for live in connection.scalars(lives) if live),
            lease_losses=connection.execute(losses).scalar_one_or_none() or 0,
        )


def count_lease_loss(connection: sa.Connection) -> None:
    """Count a job that has lost its worker."""
    counted = sa.update(counters).where(counters.c.name == LEASE_LOSSES).values(value=counters.c.value + 1)
    if connection.execute(counted).rowcount == 0:
        connection.execute(sa.insert(counters).values(name=LEASE_LOSSES, value=1))


def _pace(live: LiveState) -> float:
    progress = live.progress
    eta_s = progress.get("eta_seconds")
    pace: float = (progress["steps"] - progress["step"]) / eta_s if eta_s else 0.0
    return pace
