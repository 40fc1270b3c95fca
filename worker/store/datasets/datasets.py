"""Stored datasets: files of values, and a row that names what they hold."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from worker.contract.job_config import JobStatus
from worker.store.database.engine import Database
from worker.store.database.errors import Conflict, NotFound, QuotaExceeded, StorageUnavailable
from worker.store.database.ids import key_of, new_id
from worker.store.database.job_rows import remember_expired
from worker.store.database.pagination import Page, list_rows
from worker.store.database.row_records import to_record
from worker.store.database.schema import DatabaseNow, datasets, jobs
from worker.store.datasets.quota import Quota
from worker.store.files.files import Files
from worker.store.records import DatasetRecord, NewDataset, NewFiles

KIND = "datasets"  # of files
VALUES, KEYS = "values.npy", "keys.parquet"
FAMILIES, FAMILY_VALUES, FAMILY_OFFSETS = "families", "{}.values.npy", "{}.offsets.npy"
UNFINISHED = [status for status in JobStatus if not status.is_terminal]
# The datasets that a job needs beside its own, where its configuration names any.
HELD_OUT = [jobs.c.config[("training", "split", part)].as_string() for part in ("validation", "test")]


class Datasets:
    """All datasets; `values_path` and the like raise FileNotFoundError once a dataset is deleted."""

    def __init__(self, database: Database, files: Files, quota: Quota) -> None:
        self._database = database
        self._files = files
        self._quota = quota

    def check_room(self, size_bytes: int, key_id: str | None) -> None:
        """Check the quota before a dataset is written.

        Raises:
            QuotaExceeded: A dataset of this size would exceed the quota.
        """
        with self._database.read() as connection:
            self._quota.check(connection, size_bytes, key_id)

    def create(self, new: NewDataset, files: NewFiles) -> tuple[DatasetRecord, bool]:
        """Store a dataset, unless one with the same digest is there.

        Args:
            files: Are moved into the store, or removed.

        Returns:
            The dataset, and whether it is new.

        Raises:
            QuotaExceeded: It would exceed the quota; its files were removed.
        """
        dataset_id = new_id("ds")
        moves = [*_moves(dataset_id, files)]
        size_bytes = sum(source.stat().st_size for source, _ in moves)
        for source, key in moves:
            self._files.publish(source, key)
        insert = sa.insert(datasets).values(
            id=dataset_id, size_bytes=size_bytes, created_at=DatabaseNow(), **vars(new)
        )
        try:
            with self._database.write() as connection:
                self._quota.check(connection, size_bytes, new.key_id)
                connection.execute(insert)
        except QuotaExceeded:
            self._files.remove(_key(dataset_id))
            raise
        except sa.exc.IntegrityError:
            self._files.remove(_key(dataset_id))
            existing = self.find_by_digest(new.digest)
            if existing is None:
                raise
            return existing, False
        return self.get(dataset_id), True

    def get(self, dataset_id: str) -> DatasetRecord:
        """The dataset of this id.

        Raises:
            NotFound: No such dataset.
        """
        found = self._find(datasets.c.id == dataset_id)
        if found is None:
            raise NotFound("dataset", dataset_id)
        return found

    def find_by_digest(self, digest: str) -> DatasetRecord | None:
        """The dataset of this digest, if any."""
        return self._find(datasets.c.digest == digest)

    def list(self, limit: int = 50, cursor: str | None = None) -> Page[DatasetRecord]:
        """A page of all datasets, newest first."""
        return list_rows(self._database, datasets, DatasetRecord, limit=limit, cursor=cursor)

    def delete(self, dataset_id: str, *, is_expired: bool = False) -> None:
        """Delete a dataset and its files.

        Args:
            is_expired: Record that retention deleted it.

        Raises:
            NotFound: No such dataset.
            Conflict: An unfinished job needs it.
        """

        def forget(connection: sa.Connection) -> None:
            # Locks the row against a concurrent submission.
            row = connection.execute(
                sa.select(datasets.c.seq).where(datasets.c.id == dataset_id).with_for_update()
            ).one_or_none()
            if row is None:
                raise NotFound("dataset", dataset_id)
            needed_by = connection.execute(
                sa.select(jobs.c.id)
                .where(
                    sa.or_(*(needed == dataset_id for needed in (jobs.c.dataset_id, *HELD_OUT))),
                    jobs.c.status.in_(UNFINISHED),
                )
                .order_by(jobs.c.seq)
                .limit(1)
            ).scalar_one_or_none()
            if needed_by is not None:
                raise Conflict(f"Job {needed_by} still needs this dataset.", code="dataset_in_use")
            connection.execute(sa.delete(datasets).where(datasets.c.id == dataset_id))
            if is_expired:
                remember_expired(connection, dataset_id)

        key = _key(dataset_id)
        self._database.write_on_full_disk(forget)
        with suppress(StorageUnavailable):  # files without a row are removed later
            self._files.remove(key)
        self._database.reserve.refill()

    def values_path(self, dataset_id: str) -> Path:
        """Where the table is: a .npy file, float32 or float64 [rows, its features], NaN = missing."""
        return self._files.fetch(_key(dataset_id, VALUES))

    def keys_path(self, dataset_id: str) -> Path:
        """Where the keys are, if there are any: a Parquet file with a column of text for each."""
        return self._files.fetch(_key(dataset_id, KEYS))

    def family_values_path(self, dataset_id: str, k: int) -> Path:
        """Where the values of the k-th family of `DatasetRecord.kinds` are: NPY, see `NewFiles`."""
        return self._files.fetch(_key(dataset_id, FAMILIES, FAMILY_VALUES.format(k)))

    def family_offsets_path(self, dataset_id: str, k: int) -> Path:
        """Where each row of the k-th family of `DatasetRecord.kinds` begins and ends, if it is a series."""
        return self._files.fetch(_key(dataset_id, FAMILIES, FAMILY_OFFSETS.format(k)))

    def _find(self, condition: sa.ColumnElement[bool]) -> DatasetRecord | None:
        with self._database.read() as connection:
            row = connection.execute(sa.select(datasets).where(condition)).mappings().one_or_none()
        return None if row is None else to_record(DatasetRecord, row)


def _key(dataset_id: str, *names: str) -> str:
    return key_of(KIND, dataset_id, *names)


def _moves(dataset_id: str, files: NewFiles) -> Iterator[tuple[Path, str]]:
    """Yield where each file is and its key, the values of the table last."""
    if files.keys is not None:
        yield files.keys, _key(dataset_id, KEYS)
    for k, (values, offsets) in enumerate(files.families):
        yield values, _key(dataset_id, FAMILIES, FAMILY_VALUES.format(k))
        if offsets is not None:
            yield offsets, _key(dataset_id, FAMILIES, FAMILY_OFFSETS.format(k))
    yield files.values, _key(dataset_id, VALUES)
