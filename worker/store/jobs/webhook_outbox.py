"""Webhook outbox: ended jobs whose notification has not been acknowledged."""

import sqlalchemy as sa

from worker.contract.job_config import JobStatus
from worker.store.database.engine import Database
from worker.store.database.job_rows import to_job
from worker.store.database.schema import DatabaseNow, jobs
from worker.store.records import JobRecord

RETRY_DELAYS_S = (5.0, 30.0, 120.0, 600.0)  # after the first failure, the second, ...
LONGEST_RETRY_DELAY_S = 3600.0
# Older ones are not sent, also when a webhook is configured for the first time.
GIVEN_UP_AFTER_S = 86_400.0
ENDED = [status for status in JobStatus if status.is_terminal]


class WebhookOutbox:
    """The outbox is the rows of ended jobs: `next_send_at` is null once a notification is acknowledged."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_due(self, limit: int) -> list[JobRecord]:
        """Ended jobs whose notification is due, each returned to one caller.

        A job that is not acknowledged becomes due again, after a delay that grows each time.
        """
        due = (
            sa.select(jobs)
            .where(
                jobs.c.status.in_(ENDED),
                jobs.c.finished_at > DatabaseNow() - GIVEN_UP_AFTER_S,
                jobs.c.next_send_at <= DatabaseNow(),
            )
            .order_by(jobs.c.finished_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._database.read() as connection:  # usually nothing is due, and no lock is taken
            if connection.execute(due.with_only_columns(jobs.c.id).limit(1)).first() is None:
                return []
        delay = sa.case(dict(enumerate(RETRY_DELAYS_S)), value=jobs.c.sends, else_=LONGEST_RETRY_DELAY_S)
        later = {"next_send_at": DatabaseNow() + delay, "sends": jobs.c.sends + 1}
        with self._database.write() as connection:
            found = [to_job(row) for row in connection.execute(due).mappings()]
            which = jobs.c.id.in_([job.id for job in found])
            connection.execute(sa.update(jobs).where(which).values(**later))
        return found

    def acknowledge(self, job: JobRecord) -> None:
        """Record that the notification of this end, not of a later one, was delivered."""
        this_end = sa.and_(jobs.c.id == job.id, jobs.c.event_count == job.event_count)
        with self._database.write() as connection:
            connection.execute(sa.update(jobs).where(this_end).values(next_send_at=None))
