"""Submits, reads, lists and deletes jobs."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from worker.contract.job_config import EncodingJobRequest, JobKind, JobRequest, JobStatus
from worker.store.database.engine import Database
from worker.store.database.errors import Conflict, StorageUnavailable
from worker.store.database.ids import new_id
from worker.store.database.job_rows import append_event, read_job, remember_expired, to_job
from worker.store.database.pagination import Page, decode_cursor, fetch_page
from worker.store.database.schema import DatabaseNow, idempotency_keys, job_labels, jobs
from worker.store.files.files import Files
from worker.store.jobs.job_history import Histories, job_files_key
from worker.store.jobs.label_filter import select_labelled
from worker.store.jobs.quotas import JobQuotas, check_datasets
from worker.store.models.models import resolve_model_id
from worker.store.records import JobRecord, Json, RequestedAction, Submission

# The API sends the first message of a job; after this time a worker sends one in case it was lost.
SEND_GRACE_S = 3.0


@dataclass(frozen=True, kw_only=True)
class _NewJob:
    """The values of a submitted job; needed_model is an id or `@alias`."""

    kind: JobKind
    request: JobRequest | EncodingJobRequest
    config: Json
    resolved: Json
    needed_model: str | None


@dataclass(frozen=True)
class JobVersion:
    """The version, last event number and queue position of a job; one differs after every change."""

    version: int
    event_count: int
    position: int | None


@dataclass(frozen=True)
class _Sender:
    """The API key and idempotency key of a submission."""

    idempotency_key: str | None
    request_digest: str
    key_id: str | None


class Jobs(Histories):
    """All jobs and their records."""

    def __init__(self, database: Database, files: Files, *, quotas: JobQuotas, max_attempts: int) -> None:
        super().__init__(database, files)
        self._quotas = quotas
        self._max_attempts = max_attempts

    def submit(
        self,
        request: JobRequest,
        resolved: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        request_digest: str = "",
        key_id: str | None = None,
    ) -> Submission:
        """Queue a training job, once for each idempotency key.

        Args:
            resolved: The plan made from the request; stored for the user.
            request_digest: Differs for different requests with one idempotency key.
            key_id: The API key of the request; None without keys. Its unfinished jobs are limited.

        Raises:
            NotFound: No such dataset, or no such model to start from.
            Conflict: The idempotency key was used for another request (code idempotency_key_reused).
            QueueFull: Too many jobs are waiting.
            TooManyJobs: The API key has too many unfinished jobs.
        """
        new = _NewJob(
            kind=JobKind.TRAINING,
            request=request,
            config=request.config.to_dict(),
            resolved=dict(resolved),
            needed_model=request.assignment.model,
        )
        return self._submit(new, _Sender(idempotency_key, request_digest, key_id))

    def submit_encoding(
        self,
        request: EncodingJobRequest,
        model_id: str,
        *,
        rows: int,
        idempotency_key: str | None = None,
        request_digest: str = "",
        key_id: str | None = None,
    ) -> Submission:
        """Queue an encoding job; otherwise as `submit`.

        Args:
            rows: Of the dataset.
        """
        config = {"model": model_id, "keys": request.keys, "prefixes": request.prefixes}
        new = _NewJob(
            kind=JobKind.ENCODING,
            request=request,
            config=config,
            resolved={"config": config, "steps": rows * max(1, len(request.prefixes))},
            needed_model=model_id,
        )
        return self._submit(new, _Sender(idempotency_key, request_digest, key_id))

    def get(self, job_id: str) -> JobRecord:
        """The job of this id.

        Raises:
            NotFound: No such job.
        """
        with self._database.read() as connection:
            return read_job(connection, job_id)

    def list(
        self,
        *,
        status: JobStatus | None = None,
        labels: Mapping[str, str] | None = None,
        dataset: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[JobRecord]:
        """A page of the jobs that match every given filter, newest first."""
        query, order_by = select_labelled(labels or {})
        if labels and cursor is not None:  # PostgreSQL does not infer it from the join
            query = query.where(jobs.c.seq < decode_cursor(cursor))
        if status is not None:
            query = query.where(jobs.c.status == status)
        if dataset is not None:
            query = query.where(jobs.c.dataset_id == dataset)
        with self._database.read() as connection:
            page = fetch_page(connection, query, order_by=order_by, limit=limit, cursor=cursor)
        return Page([to_job(row) for row in page.items], page.next_cursor)

    def versions(self, job_ids: Collection[str]) -> dict[str, JobVersion]:
        """The versions of these jobs, in one query; unknown ids are left out."""
        query = sa.select(jobs.c.id, jobs.c.seq, jobs.c.status, jobs.c.version, jobs.c.event_count)
        # One pass over the index numbers all queued jobs; a count for each job would repeat it.
        place = sa.func.row_number().over(order_by=jobs.c.seq).label("place")
        queue = sa.select(jobs.c.seq, place).where(jobs.c.status == JobStatus.QUEUED).subquery()
        places: dict[int, int] = {}
        with self._database.read() as connection:
            rows = connection.execute(query.where(jobs.c.id.in_(job_ids))).all()
            queued = [row.seq for row in rows if row.status == JobStatus.QUEUED]
            if queued:
                found = connection.execute(sa.select(queue).where(queue.c.seq.in_(queued)))
                places = {row.seq: row.place for row in found}
        return {row.id: JobVersion(row.version, row.event_count, places.get(row.seq)) for row in rows}

    def queue_position(self, job_id: str) -> int | None:
        """The position in the queue, from 1; None for a job that is not queued."""
        is_waiting = jobs.c.status == JobStatus.QUEUED
        # No join: PostgreSQL would keep a plan that suits an empty table.
        place = sa.select(jobs.c.seq).where(jobs.c.id == job_id, is_waiting).scalar_subquery()
        query = sa.select(sa.func.count()).select_from(jobs).where(is_waiting, jobs.c.seq <= place)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one() or None

    def queue_positions(self, job_ids: Collection[str]) -> dict[str, int]:
        """The positions of queued jobs that are close to each other in the queue, as those of a page are."""
        is_waiting = jobs.c.status == JobStatus.QUEUED
        ends = sa.select(sa.func.min(jobs.c.seq), sa.func.max(jobs.c.seq)).where(jobs.c.id.in_(job_ids))
        with self._database.read() as connection:
            first, last = connection.execute(ends).one()
            before = sa.select(sa.func.count()).select_from(jobs).where(is_waiting, jobs.c.seq < first)
            between = sa.select(jobs.c.id).where(is_waiting, jobs.c.seq.between(first, last))
            number_before = connection.execute(before).scalar_one()
            waiting = list(connection.execute(between.order_by(jobs.c.seq)).scalars())
        return {each: place for place, each in enumerate(waiting, number_before + 1) if each in job_ids}

    def delete(self, job_id: str, *, is_expired: bool = False) -> None:
        """Delete a job that has ended, with its records; its model stays.

        Args:
            is_expired: Record that retention deleted it.

        Raises:
            NotFound: No such job.
            Conflict: The job has not ended.
        """

        def forget(connection: sa.Connection) -> None:
            job = read_job(connection, job_id, for_update=True)
            if not job.status.is_terminal:
                raise Conflict(f"The job is {job.status}; cancel it first.", code="job_not_ended")
            connection.execute(sa.delete(jobs).where(jobs.c.id == job_id))
            if is_expired:
                remember_expired(connection, job_id)

        key = job_files_key(job_id)
        self._database.write_on_full_disk(forget)
        with suppress(StorageUnavailable):  # files without a row are removed later
            self._files.remove(key)
        self._database.reserve.refill()

    def _submit(self, new: _NewJob, sender: _Sender) -> Submission:
        try:
            with self._database.write() as connection:
                return self._submit_once(connection, new, sender)
        except sa.exc.IntegrityError:  # a concurrent request with the same key: its job exists now
            with self._database.write() as connection:
                return self._submit_once(connection, new, sender)

    def _submit_once(self, connection: sa.Connection, new: _NewJob, sender: _Sender) -> Submission:
        if (earlier := _find_earlier(connection, sender)) is not None:
            return Submission(earlier, replayed=True)
        check_datasets(connection, new.request.dataset, new.config)
        self._quotas.check_room(connection)
        self._quotas.check_share(connection, sender.key_id)
        job_id = self._insert(connection, new, sender.key_id)
        if sender.idempotency_key is not None:
            connection.execute(
                sa.insert(idempotency_keys).values(
                    key=sender.idempotency_key,
                    request_digest=sender.request_digest,
                    job_id=job_id,
                    created_at=DatabaseNow(),
                )
            )
        append_event(connection, job_id, "submitted", {"dataset": new.request.dataset})
        return Submission(read_job(connection, job_id), replayed=False)

    def _insert(self, connection: sa.Connection, new: _NewJob, key_id: str | None) -> str:
        job_id = new_id("job")
        start_model = new.needed_model
        if start_model is not None:
            start_model = resolve_model_id(connection, start_model, for_share=True)
        values: dict[str, Any] = {
            "id": job_id,
            "kind": new.kind,
            "name": new.request.name,
            "labels": new.request.labels,
            "dataset_id": new.request.dataset,
            "start_model_id": start_model,
            "config": new.config,
            "resolved": new.resolved,
            "status": JobStatus.QUEUED,
            "requested_action": RequestedAction.NONE,
            "version": 1,
            "created_at": DatabaseNow(),
            "updated_at": DatabaseNow(),
            "attempt": 0,
            "max_attempts": self._max_attempts,
            "losses": 0,
            "history": [],
            "token": 0,
            "next_send_at": DatabaseNow() + SEND_GRACE_S,
            "sends": 0,
            "event_count": 0,
            "key_id": key_id,
            "steering": [],
        }
        seq = connection.execute(sa.insert(jobs).values(**values).returning(jobs.c.seq)).scalar_one()
        labels = [
            {"job_id": job_id, "name": name, "value": value, "seq": seq}
            for name, value in new.request.labels.items()
        ]
        if labels:
            connection.execute(sa.insert(job_labels), labels)
        return job_id


def _find_earlier(connection: sa.Connection, sender: _Sender) -> JobRecord | None:
    if sender.idempotency_key is None:
        return None
    known = sa.select(idempotency_keys).where(idempotency_keys.c.key == sender.idempotency_key)
    row = connection.execute(known).one_or_none()
    if row is None:
        return None
    if row.request_digest != sender.request_digest:
        raise Conflict("This key was used for another request.", code="idempotency_key_reused")
    return read_job(connection, row.job_id)
