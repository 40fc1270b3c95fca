"""Limits on queued jobs and on the jobs of an API key."""

from dataclasses import dataclass

import sqlalchemy as sa

from worker.contract.job_config import JobStatus
from worker.store.database.errors import NotFound, QueueFull, TooManyJobs
from worker.store.database.schema import datasets, jobs
from worker.store.datasets.datasets import UNFINISHED
from worker.store.records import Json


@dataclass(frozen=True, kw_only=True)
class JobQuotas:
    """The limits on accepted jobs.

    Args:
        max_queued_jobs: Queued jobs.
        max_jobs_per_key: Unfinished jobs of one API key.
    """

    max_queued_jobs: int
    max_jobs_per_key: int

    def check_room(self, connection: sa.Connection) -> None:
        """Check that the queue has room for a job.

        Raises:
            QueueFull: Too many jobs are waiting.
        """
        waiting = connection.execute(
            sa.select(sa.func.count()).select_from(jobs).where(jobs.c.status == JobStatus.QUEUED)
        ).scalar_one()
        if waiting >= self.max_queued_jobs:
            raise QueueFull(f"{waiting} jobs are waiting already.", code="queue_full")

    def check_share(self, connection: sa.Connection, key_id: str | None) -> None:
        """Check that an API key may have another unfinished job.

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


def check_datasets(connection: sa.Connection, dataset_id: str, config: Json) -> None:
    """Check that a job's datasets exist, and lock them against deletion until the transaction ends.

    Args:
        dataset_id: The job's own.
        config: Of the job; it may name others that validate or test.

    Raises:
        NotFound: No such dataset.
    """
    held_out = config.get("training", {}).get("split") or {}
    for needed in (dataset_id, *held_out.values()):
        query = sa.select(datasets.c.seq).where(datasets.c.id == needed).with_for_update(read=True)
        if needed is not None and connection.execute(query).one_or_none() is None:
            raise NotFound("dataset", needed)
