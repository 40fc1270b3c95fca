"""Writes the records of running jobs; every write checks the claim's token."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from worker.store.database.engine import Database
from worker.store.database.errors import StorageUnavailable
from worker.store.database.job_rows import append_event, read_job, update_held, visible_change
from worker.store.database.schema import DatabaseNow, checkpoints, job_assignments, job_events, job_metrics
from worker.store.files.files import Files
from worker.store.jobs.job_history import job_files_key, read_checkpoints
from worker.store.jobs.pieces import PieceRecord
from worker.store.records import Claim, RequestedAction, Steering
from worker.store.run_records import CheckpointRecord, Progress

KEPT_CHECKPOINTS = 3  # two older ones in case the newest is corrupt
KEPT_ASSIGNMENTS = 64  # enough for a smooth plot of a run
KEPT_ASSIGNMENT_BYTES = 64 << 20


class Recordings:
    """The writer of job records; writes raise LeaseLost, having written nothing, once the job is lost."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files

    def record_progress(self, claim: Claim, progress: Progress) -> None:
        """Store the progress after an epoch; recording an epoch again replaces it and later ones."""
        with self._database.write() as connection:
            update_held(connection, claim, visible_change(live=_live(progress)))
            _forget_later_epochs(connection, claim.job.id, progress.epoch)
            self._record_assignment(connection, claim.job.id, progress)
            if progress.metrics:
                connection.execute(
                    sa.insert(job_metrics).values(
                        job_id=claim.job.id,
                        epoch=progress.epoch,
                        step=progress.step,
                        time=DatabaseNow(),
                        values=dict(progress.metrics),
                    )
                )

    def record_rows(self, claim: Claim, *, done: int, rows: int, eta_seconds: float | None) -> None:
        """Store how many rows an encoding has on the disk; resets the count of lost attempts."""
        progress = {
            "fraction": done / rows,
            "epoch": done // rows,
            "epochs": 1,
            "step": done,
            "steps": rows,
            "eta_seconds": eta_seconds,
        }
        live = {"progress": progress, "temperature": None, "losses": {}, "assignment": {}, "codebook": {}}
        with self._database.write() as connection:
            update_held(connection, claim, visible_change(live=live, losses=0))

    def add_event(self, claim: Claim, event: str, data: Mapping[str, Any]) -> None:
        """Append an event to the job."""
        with self._database.write() as connection:
            update_held(connection, claim, visible_change())
            append_event(connection, claim.job.id, event, {**data, "token": claim.token})

    def add_event_once(self, claim: Claim, event: str, data: Mapping[str, Any]) -> None:
        """Append an event, unless an earlier attempt has appended it with the same data."""
        recorded = sa.select(job_events.c.data).where(
            job_events.c.job_id == claim.job.id, job_events.c.type == event
        )
        with self._database.write() as connection:
            if data not in connection.scalars(recorded).all():
                update_held(connection, claim, visible_change())
                append_event(connection, claim.job.id, event, data)

    def work_path(self, claim: Claim, name: str) -> Path:
        """Where an attempt keeps a file that grows; a later attempt on the same disk finds it there."""
        return self._files.work_path(job_files_key(claim.job.id, name), claim.token)

    def publish_checkpoint(self, claim: Claim, path: Path) -> None:
        """Move a finished checkpoint, which is to be recorded under its name, out of `Store.spool_dir`."""
        self._files.publish(path, job_files_key(claim.job.id, path.name))

    def fetch_checkpoint(self, claim: Claim, record: CheckpointRecord) -> Path:
        """Where a checkpoint can be read.

        Raises:
            FileNotFoundError: It is gone.
        """
        return self._files.fetch(job_files_key(claim.job.id, record.file_name))

    def record_checkpoint(
        self, claim: Claim, *, epoch: int, step: int, file_name: str, digest: str, size_bytes: int
    ) -> None:
        """Record a published checkpoint as the newest.

        Resets the count of lost attempts, and removes all but the newest checkpoints.
        """
        job_id = claim.job.id
        with self._database.write() as connection:
            update_held(connection, claim, visible_change(losses=0))
            _forget_checkpoints(connection, job_id, checkpoints.c.step >= step)
            connection.execute(
                sa.insert(checkpoints).values(
                    job_id=job_id,
                    epoch=epoch,
                    step=step,
                    file_name=file_name,
                    digest=digest,
                    size_bytes=size_bytes,
                    created_at=DatabaseNow(),
                )
            )
            kept = read_checkpoints(connection, job_id)[:KEPT_CHECKPOINTS]
            _forget_checkpoints(connection, job_id, checkpoints.c.step < kept[-1].step)
            data = {"epoch": epoch, "step": step, "token": claim.token}
            append_event(connection, job_id, "checkpoint", data)
        self._remove_files_except(job_id, {record.file_name for record in kept})

    def record_steering(
        self, claim: Claim, moment: tuple[int, bool], temperature: float
    ) -> tuple[Steering, ...]:
        """Record that pending steering changes take effect at a moment of the run; returns all changes.

        Args:
            moment: Completed steps, and whether the search has ended.
            temperature: Of the run's next step; a hold without a value keeps it.
        """
        job_id = claim.job.id
        with self._database.write() as connection:
            job = read_job(connection, job_id, for_update=True)
            settled = []
            for change in job.steering:
                if change.moment is None:
                    settled.append(_at(moment, change, temperature))
                    append_event(connection, job_id, "steered", asdict(settled[-1]))
                else:
                    settled.append(change)
                temperature = settled[-1].temperature or temperature
            if settled != list(job.steering) or job.requested_action is RequestedAction.STEER:
                requested = (
                    RequestedAction.NONE
                    if job.requested_action is RequestedAction.STEER
                    else job.requested_action
                )
                values = visible_change(
                    steering=[asdict(each) for each in settled], requested_action=requested
                )
                update_held(connection, claim, values)
        return tuple(settled)

    def publish_part(self, job_id: str, path: Path) -> None:
        """Move the finished codes of a part, whose name is new, out of `Store.spool_dir`."""
        self._files.publish(path, job_files_key(job_id, path.name))

    def fetch_part(self, piece: PieceRecord) -> Path:
        """Where the codes of a finished part can be read.

        Raises:
            FileNotFoundError: They are gone.
        """
        path = self._files.fetch(job_files_key(str(piece.job_id), (piece.result or {})["file"]))
        if not path.exists():
            raise FileNotFoundError(path)
        return path

    def remove_parts(self, job_id: str) -> None:
        """Remove the codes of all parts."""
        self._remove_files_except(job_id, set())

    def latest_checkpoints(self, claim: Claim) -> list[CheckpointRecord]:
        """The checkpoints to resume from, newest first."""
        with self._database.read() as connection:
            return read_checkpoints(connection, claim.job.id)

    def _remove_files_except(self, job_id: str, kept: set[str]) -> None:
        """Remove every other file, including those of a killed attempt; the next call repeats it."""
        with suppress(StorageUnavailable):
            for name in self._files.names(job_files_key(job_id)):
                if name not in kept:
                    self._files.remove(job_files_key(job_id, name))

    def _record_assignment(self, connection: sa.Connection, job_id: str, progress: Progress) -> None:
        """Store the newest assignment; keep an evenly spaced selection of the older ones."""
        matrix = np.ascontiguousarray(progress.matrix, dtype="<f4")
        kept = max(2, min(KEPT_ASSIGNMENTS, KEPT_ASSIGNMENT_BYTES // max(1, matrix.nbytes)))
        spacing = math.ceil(progress.epochs / kept)
        connection.execute(
            sa.delete(job_assignments).where(
                job_assignments.c.job_id == job_id, job_assignments.c.epoch % spacing != 0
            )
        )
        connection.execute(
            sa.insert(job_assignments).values(
                job_id=job_id,
                epoch=progress.epoch,
                temperature=progress.temperature,
                categories=progress.categories,
                matrix=matrix.tobytes(),
            )
        )


def _at(moment: tuple[int, bool], change: Steering, temperature: float) -> Steering:
    """The change with the moment of its effect and the temperature that it holds."""
    held_at = (change.temperature or temperature) if change.held else None
    return replace(change, step=moment[0], is_training=moment[1], temperature=held_at)


def _live(progress: Progress) -> dict[str, Any]:
    return {
        "progress": {
            "fraction": 1.0 if progress.is_finished else progress.step / progress.steps,
            "epoch": progress.epoch,
            "epochs": progress.epochs,
            "step": progress.step,
            "steps": progress.steps,
            "eta_seconds": 0.0 if progress.is_finished else progress.eta_seconds,
            "settled_epoch": progress.settled_epoch,
        },
        "temperature": progress.temperature,
        "losses": dict(progress.losses),
        "assignment": dict(progress.assignment),
        "codebook": dict(progress.codebook),
    }


def _forget_later_epochs(connection: sa.Connection, job_id: str, epoch: int) -> None:
    """Delete what an earlier attempt recorded from this epoch on."""
    for table in (job_assignments, job_metrics):
        connection.execute(sa.delete(table).where(table.c.job_id == job_id, table.c.epoch >= epoch))


def _forget_checkpoints(connection: sa.Connection, job_id: str, which: sa.ColumnElement[bool]) -> None:
    connection.execute(sa.delete(checkpoints).where(checkpoints.c.job_id == job_id, which))
