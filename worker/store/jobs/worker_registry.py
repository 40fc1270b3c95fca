"""Registry of running workers: each reports itself every few seconds."""

import sqlalchemy as sa

from worker.store.database.engine import Database
from worker.store.database.row_records import to_record
from worker.store.database.schema import DatabaseNow, workers
from worker.store.records import WorkerRecord

REPORT_EVERY_S = 3.0
FRESH_S = 15.0  # workers miss some reports on a busy machine
FORGOTTEN_AFTER_S = 86_400.0


class Workers:
    """The workers that report to one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(self, worker: WorkerRecord) -> None:
        """Record a worker as running now, by the database's clock."""
        values = {
            "since": worker.since.timestamp(),
            "reported_at": DatabaseNow(),
            "devices": list(worker.devices),
            "memory_bytes": worker.memory_bytes,
        }
        is_old = workers.c.reported_at < DatabaseNow() - FORGOTTEN_AFTER_S
        with self._database.write() as connection:
            updated = connection.execute(
                sa.update(workers).where(workers.c.name == worker.name).values(**values)
            )
            if updated.rowcount == 0:
                connection.execute(sa.delete(workers).where(is_old))
                connection.execute(sa.insert(workers).values(name=worker.name, **values))

    def leave(self, name: str) -> None:
        """Forget a worker."""
        with self._database.write() as connection:
            connection.execute(sa.delete(workers).where(workers.c.name == name))

    def list(self) -> list[WorkerRecord]:
        """The workers that reported within the last `FRESH_S` seconds, by name."""
        is_fresh = workers.c.reported_at >= DatabaseNow() - FRESH_S
        with self._database.read() as connection:
            rows = connection.execute(sa.select(workers).where(is_fresh).order_by(workers.c.name)).mappings()
            return [to_record(WorkerRecord, row) for row in rows]
