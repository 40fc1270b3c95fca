"""What must hold before a job may wait in the queue."""

from dataclasses import dataclass

import sqlalchemy as sa

from worker.contract.job_config import JobStatus
from worker.store.database.errors import NotFound, QueueFull, TooManyJobs
from worker.store.database.schema import datasets, jobs
from worker.store.datasets.datasets import UNFINISHED


@dataclass(frozen=True, kw_only=True)
class Admission:
    """How many jobs are let in.

    Args:
        max_queued_jobs: That may wait.
        max_jobs_per_key: Of one API key that have not ended.
    """

    max_queued_jobs: int
    max_jobs_per_key: int

    def check_room(self, connection: sa.Connection) -> None:
        """Refuse a job when enough are waiting.

        Raises:
            QueueFull: Too many jobs are waiting.
        """
        waiting = connection.execute(
            sa.select(sa.func.count()).select_from(jobs).where(jobs.c.status == JobStatus.QUEUED)
        ).scalar_one()
        if waiting >= self.max_queued_jobs:
            raise QueueFull(f"{waiting} jobs are waiting already.", code="queue_full")

    def check_share(self, connection: sa.Connection, key_id: str | None) -> None:
        """Refuse a job when its API key has enough of them.

        Raises:
            TooManyJobs: Too many of its jobs have not ended.
        """
        if key_id is None:
            return
        unfinished = connection.execute(
            sa.select(sa.func.count())
            .select_from(jobs)
            .where(jobs.c.key_id == key_id, jobs.c.status.in_(UNFINISHED))
        ).scalar_one()
        if unfinished >= self.max_jobs_per_key:
            raise TooManyJobs(f"{unfinished} jobs of this key have not ended.", code="too_many_jobs")


def check_dataset(connection: sa.Connection, dataset_id: str) -> None:
    """Refuse an unknown dataset, and keep a known one from being deleted before the job is in.

    Raises:
        NotFound: There is no such dataset.
    """
    query = sa.select(datasets.c.seq).where(datasets.c.id == dataset_id).with_for_update(read=True)
    if connection.execute(query).one_or_none() is None:
        raise NotFound("dataset", dataset_id)
