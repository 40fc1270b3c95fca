"""Pieces of work that any free worker does: parts of encoding jobs, and comparisons of models."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from worker.contract.job_config import JobStatus
from worker.store.database.engine import Database
from worker.store.database.errors import LeaseLost
from worker.store.database.job_rows import update_held, visible_change
from worker.store.database.row_records import to_record
from worker.store.database.schema import DatabaseNow, jobs, pieces
from worker.store.records import Claim, JobError, RequestedAction


class PieceStatus(StrEnum):
    """The states of a piece; `done` and `failed` are final."""

    DUE = "due"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


_IS_RUNNING = pieces.c.status == PieceStatus.RUNNING
_IS_JOB_RUNNING = sa.exists().where(jobs.c.id == pieces.c.job_id, jobs.c.status == JobStatus.RUNNING)
_IS_DUE = sa.and_(pieces.c.status == PieceStatus.DUE, sa.or_(pieces.c.job_id.is_(None), _IS_JOB_RUNNING))
# A user waits for parts of jobs; comparisons come after them.
_IN_ORDER = (pieces.c.job_id.is_(None), pieces.c.seq)


@dataclass(frozen=True, kw_only=True)
class PieceRecord:
    """A piece of work: a part of the job `job_id`, or the comparison of the model `model_id`.

    Args:
        task: A part: `start` and `stop`, rows of the dataset. A comparison: the configuration of the
            model's job.
        result: A part: `file`, its name among the job's files. A comparison: its document.
        worker_name: Its holder while it is running; unique to a process.
    """

    seq: int
    job_id: str | None
    model_id: str | None
    task: dict[str, Any]
    status: PieceStatus
    result: dict[str, Any] | None
    error: JobError | None
    worker_name: str | None

    @property
    def name(self) -> str:
        """For logs."""
        return (
            f"comparison of {self.model_id}" if self.job_id is None else f"part {self.seq} of {self.job_id}"
        )


class Pieces:
    """All pieces; any number of workers may claim them, and only the holder of one writes its result, once.

    Args:
        lease_s: How long a claim is valid without a heartbeat.
    """

    def __init__(self, database: Database, *, lease_s: float) -> None:
        self._database = database
        self.lease_s = lease_s

    def divide(self, claim: Claim, tasks: Iterable[Mapping[str, Any]]) -> None:
        """Store the parts of a job, unless an earlier attempt has; those that failed are due again.

        Raises:
            LeaseLost: The job is lost; nothing was written.
        """
        is_its = pieces.c.job_id == claim.job.id
        failed = sa.update(pieces).where(is_its, pieces.c.status == PieceStatus.FAILED)
        new = {
            "job_id": claim.job.id,
            "status": PieceStatus.DUE,
            "attempts": 0,
            "max_attempts": claim.job.attempt.max,
        }
        with self._database.write() as connection:
            update_held(connection, claim, visible_change())
            if connection.execute(sa.select(pieces.c.seq).where(is_its).limit(1)).first() is None:
                connection.execute(sa.insert(pieces), [new | {"task": dict(task)} for task in tasks])
            connection.execute(failed.values(status=PieceStatus.DUE, attempts=0, error=sa.null()))

    def of_job(self, job_id: str) -> list[PieceRecord]:
        """The parts of a job, in the order of their rows."""
        query = sa.select(pieces).where(pieces.c.job_id == job_id).order_by(pieces.c.seq)
        with self._database.read() as connection:
            return [to_record(PieceRecord, row) for row in connection.execute(query).mappings()]

    def reopen(self, piece: PieceRecord) -> None:
        """Make a part due again whose file is gone."""
        self._write(
            sa.update(pieces)
            .where(pieces.c.seq == piece.seq, pieces.c.status == PieceStatus.DONE)
            .values(status=PieceStatus.DUE, attempts=0, result=sa.null())
        )

    def first_due(self) -> str | None:
        """The id of the job or model whose due piece comes first; None when none is due."""
        owner = sa.func.coalesce(pieces.c.job_id, pieces.c.model_id)
        query = sa.select(owner).where(_IS_DUE).order_by(*_IN_ORDER).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def claim(self, worker_name: str, *, job_id: str | None = None) -> PieceRecord | None:
        """Claim the due piece that comes first; of several callers, one gets it.

        Args:
            worker_name: Unique to this process.
            job_id: Only parts of this job.
        """
        due = _IS_DUE if job_id is None else sa.and_(_IS_DUE, pieces.c.job_id == job_id)
        first = sa.select(pieces.c.seq).where(due).order_by(*_IN_ORDER).limit(1)
        first = first.with_for_update(skip_locked=True, of=pieces)
        query = (
            sa.update(pieces)
            .where(pieces.c.seq == first.scalar_subquery(), pieces.c.status == PieceStatus.DUE)
            .values(
                status=PieceStatus.RUNNING,
                worker_name=worker_name,
                lease_expires_at=DatabaseNow() + self.lease_s,
                attempts=pieces.c.attempts + 1,
            )
            .returning(pieces)
        )
        with self._database.write() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else to_record(PieceRecord, row)

    def heartbeat(self, piece: PieceRecord) -> RequestedAction:
        """Extend the claim by a lease; CANCEL when the job of a part stops, or a comparison must give way.

        Raises:
            LeaseLost: Another worker may have it, or it is gone.
        """
        extended = sa.update(pieces).where(_held(piece))
        is_waiting = sa.exists().where(jobs.c.status == JobStatus.QUEUED)
        is_running = sa.exists().where(jobs.c.id == piece.job_id, jobs.c.status == JobStatus.RUNNING)
        must_stop = is_waiting if piece.job_id is None else ~is_running
        with self._database.write() as connection:
            is_held = connection.execute(
                extended.values(lease_expires_at=DatabaseNow() + self.lease_s)
            ).rowcount
            if not is_held:
                raise LeaseLost(f"The {piece.name} was given to another worker.", code="lease_lost")
            is_over = connection.execute(sa.select(must_stop)).scalar_one()
        return RequestedAction.CANCEL if is_over else RequestedAction.NONE

    def release(self, piece: PieceRecord) -> None:
        """Make a piece due again; this does not count as a lost attempt."""
        self._end(piece, status=PieceStatus.DUE, attempts=pieces.c.attempts - 1)

    def cancel(self, piece: PieceRecord) -> None:
        """Take a piece from its worker, which is asked to stop: as `release`."""
        self.release(piece)

    def finish(self, piece: PieceRecord, result: Mapping[str, Any]) -> None:
        """Store the result, unless the claim was lost."""
        self._end(piece, status=PieceStatus.DONE, result=dict(result))

    def fail(self, piece: PieceRecord, error: JobError) -> None:
        """Store why there is no result, unless the claim was lost."""
        self._end(piece, status=PieceStatus.FAILED, error={"code": error.code, "text": error.text})

    def busy_workers(self) -> set[str]:
        """The names of all workers that hold a piece."""
        with self._database.read() as connection:
            return set(connection.execute(sa.select(pieces.c.worker_name).where(_IS_RUNNING)).scalars())

    def drain_workers(self, name_prefix: str) -> None:
        """Release the pieces of workers with this prefix; they stop at their next heartbeat."""
        named = pieces.c.worker_name.startswith(name_prefix, autoescape=True)
        freed = _freed(status=PieceStatus.DUE, attempts=pieces.c.attempts - 1)
        self._write(sa.update(pieces).where(named, _IS_RUNNING).values(**freed))

    def release_worker(self, worker_name: str) -> None:
        """Release the pieces of a dead worker; this counts as a lost attempt."""
        self._release_lost(pieces.c.worker_name == worker_name)

    def expire_leases(self) -> None:
        """Release pieces whose lease has expired; this counts as a lost attempt."""
        self._release_lost(pieces.c.lease_expires_at < DatabaseNow())

    def _release_lost(self, which: sa.ColumnElement[bool]) -> None:
        lost = sa.and_(_IS_RUNNING, which)
        with self._database.read() as connection:  # usually nothing is lost, and no lock is taken
            if connection.execute(sa.select(pieces.c.seq).where(lost).limit(1)).first() is None:
                return
        with self._database.write() as connection:
            found = connection.execute(sa.select(pieces).where(lost).with_for_update(skip_locked=True)).all()
            for row in found:
                is_last = row.attempts >= row.max_attempts
                error = {
                    "code": "worker_lost",
                    "text": f"{row.attempts} workers were lost while they made it",
                }
                status = PieceStatus.FAILED if is_last else PieceStatus.DUE
                values = _freed(status=status, error=error if is_last else sa.null())
                connection.execute(sa.update(pieces).where(pieces.c.seq == row.seq).values(**values))

    def _end(self, piece: PieceRecord, **values: Any) -> None:
        self._write(sa.update(pieces).where(_held(piece)).values(**_freed(**values)))

    def _write(self, query: sa.Update) -> None:
        with self._database.write() as connection:
            connection.execute(query)


def forget_parts(connection: sa.Connection, job_id: str) -> None:
    """Delete the parts of a job that has its result."""
    connection.execute(sa.delete(pieces).where(pieces.c.job_id == job_id))


def _held(piece: PieceRecord) -> sa.ColumnElement[bool]:
    return sa.and_(pieces.c.seq == piece.seq, pieces.c.worker_name == piece.worker_name, _IS_RUNNING)


def _freed(**values: Any) -> dict[str, Any]:
    """UPDATE values that take a piece from its worker."""
    return {"worker_name": None, "lease_expires_at": None, **values}
