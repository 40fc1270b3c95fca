"""Creates and updates the database's tables, and refuses a store that was written in another format.

A new store gets its tables as `schema` has them; migrations bring older ones of the same format there. A
revision is named FORMAT_NUMBER, such as 5_0002. The format rises when old rows or files no longer fit; then
the migrations start from a new first file, which changes nothing.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from worker.store.database.engine import Database
from worker.store.database.errors import WrongFormat
from worker.store.database.schema import metadata

MIGRATIONS = Path(__file__).parents[2] / "migrations"
ADVISORY_LOCK = 0x63617476  # "catv": any number that nothing else in the database uses


def migrate(database: Database, directory: Path) -> None:
    """Create the tables, or apply the missing migrations, in one transaction; concurrent processes wait.

    Args:
        directory: Of the store's files.

    Raises:
        WrongFormat: The store was written in another format; nothing was changed.
        StoreUnavailable: The database cannot be reached.
    """
    with _only_process(directory):
        is_inside = database.is_sqlite and Path(database.name).absolute().is_relative_to(directory.absolute())
        also = "" if is_inside else " and name an empty database"
        revision = check_format(database, f"move {directory} away{also} to start afresh")
        if database.is_sqlite:
            database.turn_on_wal()
        if revision != newest_revision():
            _upgrade(database)


def check_format(database: Database, remedy: str) -> str | None:
    """Return the revision of a database, None for one without tables, and change nothing.

    Args:
        remedy: The alternative to running the version that wrote the store, for the message.

    Raises:
        WrongFormat: This version knows no such revision.
        StoreUnavailable: The database cannot be reached.
    """
    revision = _read_revision(database)
    known = _known_revisions()
    if revision is None or revision in known:
        return revision
    ours = _format_of(known[-1])
    theirs = _format_of(revision)
    found = f"format {theirs}" if theirs != ours else f"format {ours} with a later change ({revision})"
    raise WrongFormat(
        f"The database {database.name} holds a store of {found}, but this version of catvq reads format "
        f"{ours}: "
        f"run the version that wrote it, or {remedy}."
    )


def newest_revision() -> str:
    """The revision that this version of catvq writes."""
    return _known_revisions()[-1]


def _known_revisions() -> list[str]:
    """The revisions in order, read from the names of their files, such as 6_0001_first_layout.py."""
    names = sorted(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    return ["_".join(name.split("_")[:2]) for name in names]


def _format_of(revision: str) -> str:
    """The format's number; 0 stands for every format before the first numbered one."""
    number, separator, _ = revision.partition("_")
    return number if separator else "0"


def _read_revision(database: Database) -> str | None:
    with database.look() as connection:
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
        if sa.inspect(connection).has_table("alembic_version"):
            command.upgrade(config, "head")
        else:
            metadata.create_all(connection, checkfirst=False)
            command.stamp(config, "head")


@contextmanager
def _only_process(directory: Path) -> Iterator[None]:
    """Hold a lock that admits one process of this machine at a time."""
    with (directory / ".migrate.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
