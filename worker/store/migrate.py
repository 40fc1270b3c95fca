"""Brings a database to the newest layout, whoever comes first, while others wait."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from worker.store.database import Database

MIGRATIONS = Path(__file__).parent.parent / "migrations"
ADVISORY_LOCK = 0x63617476  # "catv": any number that nothing else in the database uses


def migrate(database: Database, data_dir: Path) -> None:
    """Apply the migrations that are missing, in one transaction.

    Raises:
        StoreUnavailable: The database cannot be reached.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with _only_process(data_dir):
        if database.is_sqlite:
            database.turn_on_wal()
        with database.write() as connection:
            if not database.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


@contextmanager
def _only_process(data_dir: Path) -> Iterator[None]:
    """Let one process of this machine at a time into the block."""
    with (data_dir / ".migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
