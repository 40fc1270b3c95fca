"""Makes backups of the store while the service runs, and restores them into an empty store.

A backup is a directory that only its owner can read: an SQLite database with every row, and the files of
datasets, models and jobs. It can be restored into SQLite or PostgreSQL, whichever it came from.
"""

import shutil
import tempfile
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from worker.store.database import durable_files
from worker.store.database.engine import Database
from worker.store.database.errors import StoreError
from worker.store.database.ids import key_of
from worker.store.database.migrate import check_format, migrate
from worker.store.database.schema import checkpoints, datasets, jobs, metadata, models
from worker.store.files.disk import DiskFiles
from worker.store.files.files import Files

DATABASE_NAME = "catvq.db"
TABLES = {"datasets": datasets, "models": models, "jobs": jobs}
NEEDED = ("datasets", "models")  # a job without its checkpoints restarts and gives the same result
BATCH = 500
ATTEMPTS = 5


class BackupError(StoreError):
    """A backup cannot be made or restored."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="backup_refused")


class Backups:
    """Makes and restores backups of one store.

    Args:
        directory: The data directory.
        files: Of the store, in whatever kind of storage.
    """

    def __init__(self, database: Database, directory: Path, files: Files) -> None:
        self._database = database
        self._directory = directory
        self._files = files

    def make(self, target: Path) -> None:
        """Write a backup; the service may run meanwhile.

        Args:
            target: A directory that does not exist.

        Raises:
            BackupError: The target exists, or datasets or models were deleted in every attempt.
        """
        if target.exists():
            raise BackupError(f"{target} exists already; name a new directory.")
        partial = target.with_name(f"{target.name}.partial")
        durable_files.remove_directory(partial)
        partial.mkdir(mode=0o700, parents=True)
        for _ in range(ATTEMPTS):
            # Files never change, but they may be deleted between the copy of the rows and of the files.
            (partial / DATABASE_NAME).unlink(missing_ok=True)
            with closing(_open(partial)) as copy:
                _copy_rows(self._database, copy)
                if not _copy_files(copy, self._files, DiskFiles(partial)):
                    break
        else:
            raise BackupError("datasets or models were deleted during the backup; try again.")
        (partial / "spool").rmdir()
        durable_files.make_private(partial)
        for path in partial.rglob("*"):
            durable_files.sync_file(path)
        partial.rename(target)
        durable_files.sync_file(target.parent)

    def restore(self, source: Path) -> None:
        """Fill this store, which must be empty, from a backup of the same format.

        Raises:
            WrongFormat: The backup was written in another format; nothing was changed.
            BackupError: The store is not empty, or the directory holds no complete backup.
            Conflict: A row of the backup names files outside of their directory.
        """
        if not (source / DATABASE_NAME).is_file():
            raise BackupError(f"{source} holds no backup.")
        with closing(Database(f"sqlite:///{source / DATABASE_NAME}")) as backed_up:
            check_format(backed_up, "restore another backup")
        if any(path.is_symlink() for path in source.rglob("*")):
            raise BackupError(f"{source} holds links, which no backup does.")
        if any(_ids(self._database, table) for table in TABLES.values()):
            raise BackupError("the store is not empty; restore into an empty one.")
        with tempfile.TemporaryDirectory(dir=self._directory) as name:
            # An older layout is migrated on a copy.
            shutil.copy(source / DATABASE_NAME, name)
            with closing(_open(Path(name))) as rows:
                if missing := _copy_files(rows, DiskFiles(source), self._files):
                    raise BackupError(f"the backup lacks the files of {missing[0]}.")
                _copy_rows(rows, self._database)
        durable_files.make_private(self._directory)


def _open(directory: Path) -> Database:
    """Open the database of a backup, migrated to the newest layout."""
    database = Database(f"sqlite:///{directory / DATABASE_NAME}")
    migrate(database, directory)
    (directory / ".migrate.lock").unlink()
    return database


def _copy_rows(source: Database, target: Database) -> None:
    """Copy a snapshot of all rows into empty tables."""
    with source.snapshot() as reading, target.write(takes_long=True) as writing:
        for table in metadata.sorted_tables:
            for rows in reading.execute(sa.select(table).execution_options(yield_per=BATCH)).partitions():
                writing.execute(sa.insert(table), [row._asdict() for row in rows])
            if not target.is_sqlite and "seq" in table.c and table.c.seq.primary_key:
                _continue_numbers(writing, table)


def _continue_numbers(connection: sa.Connection, table: sa.Table) -> None:
    """Set PostgreSQL's sequence to continue after the copied rows."""
    last = connection.execute(sa.select(sa.func.max(table.c.seq))).scalar()
    if last is not None:
        sequence = sa.func.pg_get_serial_sequence(table.name, "seq")
        connection.execute(sa.select(sa.func.setval(sequence, last)))


def _copy_files(rows: Database, source: Files, target: Files) -> list[str]:
    """Copy the files that the rows need; returns the ids whose files are missing."""
    _check_names(rows)
    missing = []
    target.prepare()
    with tempfile.TemporaryDirectory(dir=target.spool_dir) as name:
        for kind, table in TABLES.items():
            for identifier in _ids(rows, table):
                copy, key = Path(name, identifier), key_of(kind, identifier)
                try:
                    source.copy(key, copy)
                except FileNotFoundError:  # deleted before or during the copy
                    if kind in NEEDED:
                        missing.append(identifier)
                else:
                    target.publish(copy, key)
    return missing


def _check_names(rows: Database) -> None:
    """Raise `Conflict` if a row names files outside of its directory, before any file is copied."""
    with rows.read() as connection:
        for column in (*(table.c.id for table in TABLES.values()), checkpoints.c.file_name):
            for name in connection.execute(sa.select(column)).scalars():
                key_of(name)


def _ids(database: Database, table: sa.Table) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(sa.select(table.c.id)).scalars())
