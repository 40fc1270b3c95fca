"""Reads the records of a job: assignments, metrics, events, checkpoints."""

import numpy as np
import sqlalchemy as sa

from worker.store.database.engine import Database
from worker.store.database.ids import key_of
from worker.store.database.job_rows import read_job
from worker.store.database.row_records import to_record
from worker.store.database.schema import checkpoints, job_assignments, job_events, job_metrics
from worker.store.files.files import Files
from worker.store.run_records import AssignmentRecord, CheckpointRecord, EventRecord, MetricRecord

KIND = "jobs"  # of files
MAX_NUMBER = 2**31 - 1  # the largest value of the columns


class Histories:
    """The records of jobs; each method raises NotFound for an unknown job."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files

    def assignment(self, job_id: str, epoch: int | None = None) -> AssignmentRecord | None:
        """The soft assignment after an epoch, or the newest; None when it is not stored."""
        query = sa.select(job_assignments).where(job_assignments.c.job_id == job_id)
        if epoch is None:
            query = query.order_by(job_assignments.c.epoch.desc()).limit(1)
        else:
            query = query.where(job_assignments.c.epoch == min(epoch, MAX_NUMBER))
        with self._database.read() as connection:
            read_job(connection, job_id)
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return None
        categories: list[str] = row["categories"]
        matrix = np.frombuffer(row["matrix"], dtype="<f4").reshape(-1, len(categories))
        return AssignmentRecord(
            epoch=row["epoch"],
            temperature=row["temperature"],
            categories=categories,
            matrix=matrix,
        )

    def assignment_epochs(self, job_id: str) -> list[int]:
        """The epochs whose assignment is stored, in order."""
        query = sa.select(job_assignments.c.epoch).where(job_assignments.c.job_id == job_id)
        with self._database.read() as connection:
            read_job(connection, job_id)
            return list(connection.execute(query.order_by(job_assignments.c.epoch)).scalars())

    def metrics(self, job_id: str, max_points: int = 500) -> list[MetricRecord]:
        """The metrics of all epochs, or of `max_points` evenly spaced ones with the first and the last.

        Args:
            max_points: At least 2.
        """
        of_job = job_metrics.c.job_id == job_id
        query = sa.select(job_metrics).where(of_job).order_by(job_metrics.c.epoch)
        with self._database.read() as connection:
            read_job(connection, job_id)
            last = connection.execute(sa.select(sa.func.max(job_metrics.c.epoch)).where(of_job)).scalar() or 0
            if last > max_points:
                # The quotient grows by 1 at max_points - 1 of the epochs, the last of them at the end.
                epoch, steps = job_metrics.c.epoch, max_points - 1
                is_kept = sa.or_(epoch == 1, (epoch * steps) // last != ((epoch - 1) * steps) // last)
                query = query.where(is_kept)
            rows = connection.execute(query).mappings().all()
        return [to_record(MetricRecord, row) for row in rows]

    def events(self, job_id: str, after: int = 0, limit: int = 100) -> list[EventRecord]:
        """The events numbered above `after`, oldest first."""
        query = (
            sa.select(job_events)
            .where(job_events.c.job_id == job_id, job_events.c.seq > min(after, MAX_NUMBER))
            .order_by(job_events.c.seq)
            .limit(limit)
        )
        with self._database.read() as connection:
            read_job(connection, job_id)
            rows = connection.execute(query).mappings().all()
        return [to_record(EventRecord, row) for row in rows]

    def checkpoints(self, job_id: str) -> list[CheckpointRecord]:
        """The checkpoints of a job, newest first."""
        with self._database.read() as connection:
            read_job(connection, job_id)
            return read_checkpoints(connection, job_id)


def job_files_key(job_id: str, *names: str) -> str:
    """The key of a job's files, or of one of them."""
    return key_of(KIND, job_id, *names)


def read_checkpoints(connection: sa.Connection, job_id: str) -> list[CheckpointRecord]:
    """The checkpoints of a job, newest first."""
    rows = connection.execute(
        sa.select(checkpoints).where(checkpoints.c.job_id == job_id).order_by(checkpoints.c.step.desc())
    ).mappings()
    return [to_record(CheckpointRecord, row) for row in rows]
