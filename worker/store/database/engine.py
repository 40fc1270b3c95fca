"""Transactions on SQLite or PostgreSQL, with time limits and translated errors."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy import event, exc

from worker.store.database.errors import DiskFull, StoreUnavailable, is_disk_full
from worker.store.database.reserve import Reserve
from worker.store.database.watchdog import ConnectionWatchdog

CONNECT_TIMEOUT_S = 5
CUT_AFTER_S = 1.0  # after the timeout, when the server itself should have reported it
# After a timeout, other callers fail at once for this time instead of waiting one after the other.
BACKOFF_S = 1.0
WRITES = "catvq_writes"

Result = TypeVar("Result")


def _dump_json(value: Any) -> str:
    """JSON text; NaN and infinity become null."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()


class Database:
    """A pool of connections.

    SQLite runs in WAL mode: readers never wait, and a writing transaction takes the write lock when it
    begins, so that two writers wait for each other instead of failing half-way.

    Args:
        timeout_s: Of a transaction or the wait for a lock; with PostgreSQL also of a server that does not
            answer.
    """

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        parsed = sa.make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.name = parsed.database or ""
        self.reserve = Reserve(Path(f"{parsed.database}-reserve") if self.is_sqlite else None)
        self._timeout_s = timeout_s
        self._watchdog = ConnectionWatchdog()
        self._backoff_until = 0.0
        self._engine = sa.create_engine(
            parsed,
            json_serializer=_dump_json,
            json_deserializer=orjson.loads,
            pool_size=10,
            max_overflow=40,
            pool_timeout=timeout_s,
            connect_args={} if self.is_sqlite else _libpq_options(parsed, timeout_s),
        )
        if self.is_sqlite:
            event.listen(self._engine, "connect", self._configure_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        else:
            event.listen(self._engine, "checkout", self._ping_and_watch)
            event.listen(self._engine, "checkin", lambda connection, _: self._watchdog.forget(connection))
            event.listen(self._engine, "close", lambda connection, _: self._watchdog.forget(connection))

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read-only transaction.

        Raises:
            StoreUnavailable: The database cannot be reached, or is locked or silent for too long.
        """
        with self._translated_errors(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def look(self) -> Iterator[sa.Connection]:
        """A read-only transaction that leaves SQLite's file and its WAL unchanged.

        An SQLite database that does not exist reads as an empty one. Meant for a single query at start.

        Raises:
            StoreUnavailable: As for `read`.
        """
        if not self.is_sqlite:
            with self.read() as connection:
                yield connection
            return
        engine = sa.create_engine("sqlite://", creator=self._open_unchanged, poolclass=sa.NullPool)
        with self._translated_errors(), engine.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """A read-only transaction on a snapshot, without a time limit.

        Raises:
            StoreUnavailable: As for `read`.
        """
        with self._translated_errors(), self._engine.connect() as connection:
            if not self.is_sqlite:  # whose transactions always read a snapshot
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                self._lift_timeouts(connection)
                yield connection

    @contextmanager
    def write(self, *, takes_long: bool = False) -> Iterator[sa.Connection]:
        """A transaction that writes, committed when the block ends without an error.

        Args:
            takes_long: No time limit once the database has answered.

        Raises:
            DiskFull: The disk is full. Nothing was written.
            StoreUnavailable: As for `read`. Nothing was written, unless the commit was what failed.
        """
        with self._translated_errors(), self._engine.connect() as connection:
            connection.execution_options(**{WRITES: True})
            with connection.begin():
                if takes_long:
                    self._lift_timeouts(connection)
                yield connection

    def write_on_full_disk(self, change: Callable[[sa.Connection], Result]) -> Result:
        """Run a transaction that frees space: as `write`, but it may use the reserve on a full disk.

        Args:
            change: May be called several times, each time in a new transaction.
        """

        def write() -> Result:
            with self.write() as connection:
                return change(connection)

        return self.reserve.spend_on(write)

    def prove_writable(self) -> None:
        """Write a counter, to check that a write succeeds."""
        with self.write() as connection:
            connection.execute(_WRITE_PROOF)

    def turn_on_wal(self) -> None:
        """Set SQLite's journal to WAL; the setting is stored in the file."""
        with self._translated_errors(), closing(self._engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA journal_mode = WAL")

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()
        self._watchdog.stop()

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        began = time.monotonic()
        if began < self._backoff_until:
            raise StoreUnavailable("The database did not answer a moment ago.", code="store_unavailable")
        try:
            yield
        except (exc.DBAPIError, exc.TimeoutError, sqlite3.OperationalError) as error:
            if is_disk_full(getattr(error, "orig", error)):
                raise DiskFull("The database has no room: its disk is full.", code="disk_full") from error
            if isinstance(error, exc.DBAPIError) and not _is_connection_failure(error):
                raise
            if _has_no_sqlstate(error) and time.monotonic() - began > BACKOFF_S:
                self._backoff_until = time.monotonic() + BACKOFF_S
            raise StoreUnavailable(
                f"The database does not answer: {error.__class__.__name__}.", code="store_unavailable"
            ) from error

    def _open_unchanged(self) -> sqlite3.Connection:
        path = Path(self.name).absolute()
        if not path.exists():
            return sqlite3.connect(":memory:")
        # An ordinary reader moves the WAL into the file when it closes, or leaves an empty WAL behind.
        is_in_use = Path(f"{path}-wal").exists()
        mode = "mode=ro" if is_in_use else "mode=ro&immutable=1"
        return sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=self._timeout_s)

    def _configure_sqlite(self, connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # _begin_sqlite begins transactions, not the driver
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {round(1000 * self._timeout_s)}")
        cursor.execute("PRAGMA foreign_keys = ON")
        # Some builds overwrite deleted data with zeros: a deletion would need the space that it frees.
        cursor.execute("PRAGMA secure_delete = FAST")
        cursor.close()

    def _ping_and_watch(self, connection: Any, _record: Any, _fairy: Any) -> None:
        """Test a connection before it is used; a lost one is replaced."""
        self._watchdog.watch(connection, CONNECT_TIMEOUT_S)
        try:
            self._engine.dialect.do_ping(connection)
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise exc.InvalidatePoolError from error
        self._watchdog.watch(connection, self._timeout_s + CUT_AFTER_S)

    def _lift_timeouts(self, connection: sa.Connection) -> None:
        if self.is_sqlite:
            return
        self._watchdog.forget(connection.connection.dbapi_connection)
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(sa.text(f"SET LOCAL {name} = 0"))


_WRITE_PROOF = sa.text(
    "INSERT INTO counters (name, value) VALUES ('write_proofs', 1) "
    "ON CONFLICT (name) DO UPDATE SET value = counters.value + 1"
)


def _libpq_options(url: sa.URL, timeout_s: float) -> dict[str, Any]:
    """Connection options with the time limits of PostgreSQL; options in the URL take precedence."""
    milliseconds = round(1000 * timeout_s)
    bounds = " ".join(
        f"-c {name}={milliseconds}"
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    )
    options = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "tcp_user_timeout": milliseconds,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    given = url.query.get("options", "")
    chosen = {name: value for name, value in options.items() if name not in url.query}
    return {**chosen, "options": f"{bounds} {given}".strip()}


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_connection_failure(error: exc.DBAPIError) -> bool:
    return isinstance(error, exc.OperationalError | exc.InterfaceError) or error.connection_invalidated


def _has_no_sqlstate(error: Exception) -> bool:
    """Whether the error came from a timeout, not from a response of PostgreSQL."""
    return getattr(getattr(error, "orig", None), "sqlstate", "") is None
