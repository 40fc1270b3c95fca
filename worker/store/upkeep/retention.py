"""Deletes jobs, models and datasets by age, and files that no row refers to."""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from worker.contract.settings import ServiceSettings
from worker.store.database.engine import Database
from worker.store.database.errors import Conflict, NotFound
from worker.store.database.ids import key_of
from worker.store.database.schema import DatabaseNow, aliases, datasets, expired, jobs, models
from worker.store.datasets.datasets import HELD_OUT, Datasets
from worker.store.files.files import Files
from worker.store.jobs.jobs import Jobs
from worker.store.models.models import Models

DAY_S = 86_400.0
BATCH = 100  # deleted in one round; the next round follows soon
# Files are written before their row is inserted.
ORPHANED_AFTER_S = 3600.0
LEFT_AFTER_S = 86_400.0  # a job may wait for hours to publish a file


@dataclass(frozen=True)
class _Kind:
    """How one kind of object expires."""

    keep_days: float | None
    find: Callable[[float], sa.Select[Any]]
    remove: Callable[[str], None]


class Retention:
    """Deletes what is older than the settings allow and not in use.

    A job can expire once it has ended, a model when no alias names it and no unfinished job needs it, a
    dataset when the last job that needed it ended long enough ago.
    """

    def __init__(
        self,
        database: Database,
        settings: ServiceSettings,
        files: Files,
        *,
        all_jobs: Jobs,
        all_models: Models,
        all_datasets: Datasets,
    ) -> None:
        self._database = database
        self._files = files
        self._next_scan = time.monotonic()
        self._kinds = (
            _Kind(settings.keep_jobs_days, _old_jobs, lambda key: all_jobs.delete(key, is_expired=True)),
            _Kind(
                settings.keep_models_days, _old_models, lambda key: all_models.delete(key, is_expired=True)
            ),
            _Kind(
                settings.keep_datasets_days,
                _old_datasets,
                lambda key: all_datasets.delete(key, is_expired=True),
            ),
        )

    def is_expired(self, identifier: str) -> bool:
        """Whether retention has deleted the object of this id."""
        query = sa.select(expired.c.id).where(expired.c.id == identifier)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def expire(self) -> list[str]:
        """Delete up to `BATCH` expired objects of each kind; returns their ids."""
        removed = []
        for kind in self._kinds:
            if kind.keep_days is None:
                continue
            with self._database.read() as connection:
                found: list[str] = list(
                    connection.execute(kind.find(kind.keep_days * DAY_S).limit(BATCH)).scalars()
                )
            removed += [identifier for identifier in found if _is_removed(kind.remove, identifier)]
        return removed

    def remove_orphans(self) -> list[str]:
        """Delete files without a row, left by processes that died; returns their keys."""
        orphans = list(_remove_left(self._files.spool_dir))
        if time.monotonic() < self._next_scan:
            return orphans
        self._next_scan = time.monotonic() + self._files.scan_interval_s
        for kind, table in (("datasets", datasets), ("models", models), ("jobs", jobs)):
            # Files are listed before rows: an old file without a row by then will not get one.
            names = self._files.names(kind)
            for name in set(names) - self._known(table, names):
                key = key_of(kind, name)
                if self._files.is_aged(key, ORPHANED_AFTER_S):
                    self._files.remove(key)
                    orphans.append(key)
        return orphans

    def _known(self, table: sa.Table, identifiers: Iterable[str]) -> set[str]:
        known: set[str] = set()
        waiting = list(identifiers)
        with self._database.read() as connection:
            for start in range(0, len(waiting), BATCH):
                query = sa.select(table.c.id).where(table.c.id.in_(waiting[start : start + BATCH]))
                known |= set(connection.execute(query).scalars())
        return known


def _is_removed(remove: Callable[[str], None], identifier: str) -> bool:
    try:
        remove(identifier)
    except (Conflict, NotFound):  # taken into use or deleted meanwhile
        return False
    return True


def _old_jobs(age_s: float) -> sa.Select[Any]:
    # Only ended jobs have a `finished_at`.
    return sa.select(jobs.c.id).where(jobs.c.finished_at < DatabaseNow() - age_s).order_by(jobs.c.finished_at)


def _old_models(age_s: float) -> sa.Select[Any]:
    is_named = sa.exists().where(aliases.c.model_id == models.c.id)
    is_started_from = sa.exists().where(jobs.c.start_model_id == models.c.id, jobs.c.finished_at.is_(None))
    is_old = models.c.created_at < DatabaseNow() - age_s
    return sa.select(models.c.id).where(is_old, ~is_named, ~is_started_from).order_by(models.c.seq)


def _old_datasets(age_s: float) -> sa.Select[Any]:
    oldest = DatabaseNow() - age_s
    is_recent = sa.or_(jobs.c.finished_at.is_(None), jobs.c.finished_at >= oldest)
    is_used = sa.exists().where(jobs.c.dataset_id == datasets.c.id, is_recent)
    held_out = sa.union_all(*(sa.select(each).where(is_recent, each.is_not(None)) for each in HELD_OUT))
    is_old = datasets.c.created_at < oldest
    return (
        sa.select(datasets.c.id)
        .where(is_old, ~is_used, datasets.c.id.not_in(held_out))
        .order_by(datasets.c.seq)
    )


def _remove_left(spool_dir: Path) -> Iterator[str]:
    """Remove what jobs left unfinished, if it has not changed for `LEFT_AFTER_S`; yields its names."""
    oldest = time.time() - LEFT_AFTER_S
    for path in [*spool_dir.glob("model_*"), *spool_dir.glob("job_*")]:
        with suppress(FileNotFoundError):  # removed meanwhile
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                yield path.name
