"""Copies everything that the service knows, while it runs, and puts it back into an empty place.

A backup is a directory: an SQLite database with every row, whatever database the service uses, and the files
of datasets, models and jobs, for nobody but its owner to read. So it can also be restored into the other kind
of database.
"""

import shutil
import tempfile
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from worker.store.database import durable_files
from worker.store.database.engine import Database
from worker.store.database.errors import StoreError
from worker.store.database.ids import path_of
from worker.store.database.migrate import check_format, migrate
from worker.store.database.schema import checkpoints, datasets, jobs, metadata, models

DATABASE_NAME = "catvq.db"
TABLES = {"datasets": datasets, "models": models, "jobs": jobs}
NEEDED = ("datasets", "models")  # a job without its checkpoints starts anew, and ends the same
BATCH = 500
ATTEMPTS = 5


class BackupError(StoreError):
    """A backup cannot be made or restored here."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="backup_refused")


class Backups:
    """Makes and restores backups of one store.

    Args:
        directory: Of the store's files.
    """

    def __init__(self, database: Database, directory: Path) -> None:
        self._database = database
        self._directory = directory

    def make(self, target: Path) -> None:
        """Write a backup; the service may run meanwhile.

        Args:
            target: A directory that is not there yet.

        Raises:
            BackupError: It is there.
        """
        if target.exists():
            raise BackupError(f"{target} is there already; name a new directory.")
        partial = target.with_name(f"{target.name}.partial")
        durable_files.remove_directory(partial)
        partial.mkdir(mode=0o700, parents=True)
        for _ in range(ATTEMPTS):
            # Files never change, but they may be removed between the copy of their rows and their own.
            (partial / DATABASE_NAME).unlink(missing_ok=True)
            with closing(_open(partial)) as copy:
                _copy_rows(self._database, copy)
                if not _copy_files(copy, self._directory, partial):
                    break
        else:
            raise BackupError("datasets or models were deleted all the while; try again.")
        durable_files.make_private(partial)
        for path in partial.rglob("*"):
            durable_files.sync_file(path)
        partial.rename(target)
        durable_files.sync_file(target.parent)

    def restore(self, source: Path) -> None:
        """Fill this store, which must be empty, from a backup of the same format.

        Raises:
            WrongFormat: The backup was written in another format; nothing was changed.
            BackupError: Something is stored here, or the directory holds no complete backup.
            Conflict: A row of the backup names files that would lie outside of their directory.
        """
        if not (source / DATABASE_NAME).is_file():
            raise BackupError(f"{source} holds no backup.")
        with closing(Database(f"sqlite:///{source / DATABASE_NAME}")) as backed_up:
            check_format(backed_up, "restore another backup")
        if any(path.is_symlink() for path in source.rglob("*")):
            raise BackupError(f"{source} holds links, which no backup does.")
        if any(_ids(self._database, table) for table in TABLES.values()):
            raise BackupError("something is stored here already; restore into an empty place.")
        with tempfile.TemporaryDirectory(dir=self._directory) as name:
            # An older layout is brought up to date on a copy.
            shutil.copy(source / DATABASE_NAME, name)
            with closing(_open(Path(name))) as rows:
                if missing := _copy_files(rows, source, self._directory):
                    raise BackupError(f"the backup lacks the files of {missing[0]}.")
                _copy_rows(rows, self._database)
        durable_files.make_private(self._directory)


def _open(directory: Path) -> Database:
    """The rows of a backup, in the newest layout."""
    database = Database(f"sqlite:///{directory / DATABASE_NAME}")
    migrate(database, directory)
    (directory / ".migrate.lock").unlink()
    return database


def _copy_rows(source: Database, target: Database) -> None:
    """Copy every row of one moment into empty tables."""
    with source.snapshot() as reading, target.write(takes_long=True) as writing:
        for table in metadata.sorted_tables:
            for rows in reading.execute(sa.select(table).execution_options(yield_per=BATCH)).partitions():
                writing.execute(sa.insert(table), [row._asdict() for row in rows])
            if not target.is_sqlite and "seq" in table.c and table.c.seq.primary_key:
                _continue_numbers(writing, table)


def _continue_numbers(connection: sa.Connection, table: sa.Table) -> None:
    """Let PostgreSQL number new rows after the copied ones."""
    last = connection.execute(sa.select(sa.func.max(table.c.seq))).scalar()
    if last is not None:
        sequence = sa.func.pg_get_serial_sequence(table.name, "seq")
        connection.execute(sa.select(sa.func.setval(sequence, last)))


def _copy_files(rows: Database, source: Path, target: Path) -> list[str]:
    """Copy the files that the rows need; returns the ids whose files are missing."""
    _check_names(rows)
    missing = []
    for name, table in TABLES.items():
        for identifier in _ids(rows, table):
            to = path_of(target / name, identifier)
            durable_files.remove_directory(to)
            try:
                shutil.copytree(path_of(source / name, identifier), to)
            except (FileNotFoundError, shutil.Error):  # removed before, or while, it was copied
                durable_files.remove_directory(to)
                if name in NEEDED:
                    missing.append(identifier)
    return missing


def _check_names(rows: Database) -> None:
    """Raise `Conflict` when a row would lead out of its directory, before the first file is touched."""
    with rows.read() as connection:
        for column in (*(table.c.id for table in TABLES.values()), checkpoints.c.file_name):
            for name in connection.execute(sa.select(column)).scalars():
                path_of(Path(), name)


def _ids(database: Database, table: sa.Table) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(sa.select(table.c.id)).scalars())
