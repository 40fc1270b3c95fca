"""One way to talk to SQLite and PostgreSQL: reading and writing transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import event, exc

from worker.store.errors import StoreUnavailable

BUSY_TIMEOUT_MS = 15_000  # writers of SQLite wait for each other
CONNECT_TIMEOUT_S = 5
WRITES = "catvq_writes"


def _dump_json(value: Any) -> str:
    """JSON without NaN and infinity, which become null."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()


class Database:
    """A pool of connections.

    SQLite runs in WAL mode: readers never wait, and a writing transaction takes the one write lock when
    it begins, so that two writers queue up instead of failing half-way.
    """

    def __init__(self, url: str) -> None:
        parsed = sa.make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._engine = sa.create_engine(
            parsed,
            json_serializer=_dump_json,
            json_deserializer=orjson.loads,
            pool_pre_ping=not self.is_sqlite,
            pool_size=10,
            max_overflow=40,
            connect_args={} if self.is_sqlite else {"connect_timeout": CONNECT_TIMEOUT_S},
        )
        if self.is_sqlite:
            event.listen(self._engine, "connect", _configure_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads.

        Raises:
            StoreUnavailable: The database cannot be reached or is locked for too long.
        """
        with _translated_errors(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """A transaction that reads everything as it was at one moment.

        Raises:
            StoreUnavailable: As for `read`.
        """
        with _translated_errors(), self._engine.connect() as connection:
            if not self.is_sqlite:  # where every transaction does
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes, committed when the block ends without an error.

        Raises:
            StoreUnavailable: As for `read`. Nothing was written, unless the commit was what failed.
        """
        with _translated_errors(), self._engine.connect() as connection:
            connection.execution_options(**{WRITES: True})
            with connection.begin():
                yield connection

    def turn_on_wal(self) -> None:
        """Make an SQLite file readable while it is written to; the file remembers it."""
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver opens no transactions of its own: see _begin_sqlite
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        raise StoreUnavailable(
            f"The database does not answer: {error.__class__.__name__}.", code="store_unavailable"
        ) from error
