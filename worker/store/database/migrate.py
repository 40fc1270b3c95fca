"""Brings a database to the newest layout, whoever comes first, while others wait."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from worker.store.database.engine import Database

MIGRATIONS = Path(__file__).parents[2] / "migrations"
ADVISORY_LOCK = 0x63617476  # "catv": any number that nothing else in the database uses


def migrate(database: Database, data_dir: Path) -> None:
    """Apply the migrations that are missing, in one transaction.

    Raises:
        StoreUnavailable: The database cannot be reached.
    """
    with _only_process(data_dir):
        if database.is_sqlite:
            database.turn_on_wal()
        if _revision(database) != newest_revision():
            _upgrade(database)


def newest_revision() -> str:
    """The number of the last migration, which is also the beginning of its file's name."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]


def _revision(database: Database) -> str | None:
    with database.read() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _upgrade(database: Database) -> None:
    # Loaded only where it is needed: it takes 11 MB of every process.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with database.write(takes_long=True) as connection:
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
