"""Opens the store: database, tables and directories."""

import logging
import os
import tempfile
from pathlib import Path

from worker.contract.settings import ServiceSettings
from worker.store.database import durable_files
from worker.store.database.engine import Database
from worker.store.database.migrate import migrate
from worker.store.datasets.datasets import Datasets
from worker.store.datasets.quota import Quota
from worker.store.files.files import Files, open_files
from worker.store.jobs.comparisons import Comparisons
from worker.store.jobs.job_controls import Controls
from worker.store.jobs.job_recorder import Recordings
from worker.store.jobs.jobs import Jobs
from worker.store.jobs.leases import Leases
from worker.store.jobs.pieces import Pieces
from worker.store.jobs.quotas import JobQuotas
from worker.store.jobs.requeue import Outbox
from worker.store.jobs.webhook_outbox import WebhookOutbox
from worker.store.jobs.worker_registry import Workers
from worker.store.keys import Keys
from worker.store.models.aliases import Aliases
from worker.store.models.models import Models
from worker.store.upkeep.backup import Backups
from worker.store.upkeep.retention import Retention

_log = logging.getLogger(__name__)
PROOF_BYTES = 1 << 16  # more than a file system keeps in reserve


class Store:
    """The durable record of datasets, jobs, checkpoints and models.

    Safe to share between threads; every process opens its own.
    """

    def __init__(self, database: Database, settings: ServiceSettings, files: Files) -> None:
        data_dir = settings.data_dir.absolute()
        self._database = database
        self.files = files
        self.reserve = database.reserve
        self._data_dir = data_dir
        self.spool_dir = files.spool_dir
        quota = Quota(
            max_stored_bytes=settings.max_stored_bytes,
            max_stored_bytes_per_key=settings.max_stored_bytes_per_key,
        )
        self.datasets = Datasets(database, files, quota)
        quotas = JobQuotas(
            max_queued_jobs=settings.max_queued_jobs, max_jobs_per_key=settings.max_jobs_per_key
        )
        self.jobs = Jobs(database, files, quotas=quotas, max_attempts=settings.max_attempts)
        self.controls = Controls(database, quotas)
        self.leases = Leases(database, lease_s=settings.lease_s)
        self.recordings = Recordings(database, files)
        self.outbox = Outbox(database, grace_s=settings.lease_s / 4)
        self.webhook_outbox = WebhookOutbox(database)
        self.comparisons = Comparisons(database)
        self.pieces = Pieces(database, lease_s=settings.lease_s)
        self.models = Models(database, files)
        self.workers = Workers(database)
        self.aliases = Aliases(database, data_dir / "aliases.journal")
        self.retention = Retention(
            database, settings, files, all_jobs=self.jobs, all_models=self.models, all_datasets=self.datasets
        )
        self.backups = Backups(database, data_dir, files)
        self.keys = Keys(database)

    @classmethod
    def open(cls, settings: ServiceSettings) -> "Store":
        """Connect, and create directories and tables as needed; several processes may do so at once.

        A data directory that other users can read is made private.

        Raises:
            WrongFormat: The store was written in another format; nothing was changed.
            StoreUnavailable: The database or the object storage cannot be reached.
        """
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = cls.connect(settings)
        try:
            store.reserve.spend_on(store.prepare)
        except BaseException:
            store.close()
            raise
        store.reserve.refill()
        return store

    @classmethod
    def connect(cls, settings: ServiceSettings, *, holds: bool = False) -> "Store":
        """Use a store that another process has opened: connects at first use and runs no migration.

        Args:
            holds: Keep files that are fetched from an object storage until this process ends.
        """
        database = Database(settings.sqlalchemy_url, timeout_s=settings.database_timeout_s)
        return cls(database, settings, open_files(settings, holds=holds))

    def check(self) -> None:
        """Check that the database and this machine's directory for new files can be written to.

        Raises:
            DiskFull: The database's disk is full.
            StoreUnavailable: The database does not answer, or is locked.
            OSError: The directory cannot be written to.
        """
        self._database.prove_writable()
        with tempfile.TemporaryFile(dir=self.spool_dir) as file:
            file.write(bytes(PROOF_BYTES))
            file.flush()
            os.fsync(file.fileno())

    def has_work(self) -> bool:
        """Whether a job is queued or a piece of work is due.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        return self.outbox.count_queued() > 0 or self.pieces.first_due() is not None

    def prepare(self) -> None:
        """Create missing tables and directories."""
        migrate(self._database, self._data_dir)
        _make_private(self._data_dir)
        self.files.prepare()

    def close(self) -> None:
        """Close every connection."""
        self._database.close()


def _make_private(data_dir: Path) -> None:
    """Make a data directory private, once: nothing below a private one can be reached."""
    if durable_files.is_private(data_dir):
        return
    try:
        durable_files.make_private(data_dir)
    except PermissionError as error:
        _log.warning("other users may be able to read %s: %s", data_dir, error)
