"""The SQLAlchemy tables of a store.

Times are seconds since 1970 (UTC) by the database's clock, so that workers on different machines agree.
`seq` orders lists and is their pagination cursor. JSON columns keep the order of keys.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

metadata = sa.MetaData()


class DatabaseNow(FunctionElement[float]):
    """The database's current time; it advances within a transaction."""

    type = sa.Double()
    inherit_cache = True


class Text(sa.types.TypeDecorator[str]):
    """Text without NUL, which PostgreSQL cannot store; an id that contains one is not found."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: sa.Dialect) -> str | None:
        """Replace NUL in a bound value."""
        return None if value is None else value.replace("\0", "\ufffd")


@compiles(DatabaseNow, "sqlite")
def _sqlite_now(_element: DatabaseNow, _compiler: SQLCompiler, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(DatabaseNow, "postgresql")
def _postgresql_now(_element: DatabaseNow, _compiler: SQLCompiler, **_: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


def _seq() -> sa.Column[int]:
    return sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True)


def _time(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=nullable)


def _of_job() -> sa.Column[str]:
    return sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)


datasets = sa.Table(
    "datasets",
    metadata,
    _seq(),
    sa.Column("id", Text, nullable=False, unique=True),
    sa.Column("name", Text),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("features", sa.JSON, nullable=False),
    sa.Column("families", sa.JSON, nullable=False),
    sa.Column("kinds", sa.JSON, nullable=False),
    sa.Column("columns", sa.JSON, nullable=False),
    sa.Column("left_out", sa.JSON, nullable=False),
    sa.Column("reading", sa.JSON, nullable=False),
    sa.Column("digest", Text, nullable=False, unique=True),
    sa.Column("warnings", sa.JSON, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("key_id", Text),
    _time("created_at"),
    sqlite_autoincrement=True,
)

jobs = sa.Table(
    "jobs",
    metadata,
    _seq(),
    sa.Column("id", Text, nullable=False, unique=True),
    sa.Column("kind", Text, nullable=False),
    sa.Column("name", Text),
    sa.Column("labels", sa.JSON, nullable=False),
    sa.Column("dataset_id", Text, nullable=False),
    sa.Column("start_model_id", Text),
    sa.Column("config", sa.JSON, nullable=False),
    sa.Column("resolved", sa.JSON, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("status_reason", Text),
    sa.Column("requested_action", Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    _time("created_at"),
    _time("updated_at"),
    _time("started_at", nullable=True),
    _time("finished_at", nullable=True),
    sa.Column("live", sa.JSON(none_as_null=True)),
    sa.Column("model_id", Text),
    sa.Column("result_dataset_id", Text),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("threads", sa.Integer),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("max_attempts", sa.Integer, nullable=False),
    sa.Column("losses", sa.Integer, nullable=False),
    sa.Column("history", sa.JSON, nullable=False),
    sa.Column("token", sa.Integer, nullable=False),
    sa.Column("worker_name", Text),
    _time("lease_expires_at", nullable=True),
    _time("next_send_at", nullable=True),
    sa.Column("sends", sa.Integer, nullable=False),
    sa.Column("event_count", sa.Integer, nullable=False),
    sa.Column("key_id", Text),
    sa.Column("steering", sa.JSON, nullable=False),
    sa.Index("jobs_by_status", "status", "seq"),
    sa.Index("jobs_by_dataset", "dataset_id", "seq"),
    sa.Index("jobs_by_key", "key_id", "status"),
    sa.Index("jobs_by_end", "finished_at"),
    sqlite_autoincrement=True,
)

# The labels again, with the `seq` of their job, so that a list filtered by a label is read in order.
job_labels = sa.Table(
    "job_labels",
    metadata,
    _of_job(),
    sa.Column("name", Text, primary_key=True),
    sa.Column("value", Text, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Index("job_labels_by_value", "name", "value", "seq"),
)

job_assignments = sa.Table(
    "job_assignments",
    metadata,
    _of_job(),
    sa.Column("epoch", sa.Integer, primary_key=True),
    sa.Column("temperature", sa.Double),
    sa.Column("categories", sa.JSON, nullable=False),
    sa.Column("matrix", sa.LargeBinary, nullable=False),
)

job_metrics = sa.Table(
    "job_metrics",
    metadata,
    _of_job(),
    sa.Column("epoch", sa.Integer, primary_key=True),
    sa.Column("step", sa.BigInteger, nullable=False),
    _time("time"),
    sa.Column("values", sa.JSON, nullable=False),
)

job_events = sa.Table(
    "job_events",
    metadata,
    _of_job(),
    sa.Column("seq", sa.Integer, primary_key=True),
    _time("time"),
    sa.Column("type", Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    _of_job(),
    sa.Column("step", sa.BigInteger, primary_key=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("file_name", Text, nullable=False),
    sa.Column("digest", Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    _time("created_at"),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("key", Text, primary_key=True),
    sa.Column("request_digest", Text, nullable=False),
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    _time("created_at"),
)

models = sa.Table(
    "models",
    metadata,
    _seq(),
    sa.Column("id", Text, nullable=False, unique=True),
    sa.Column("digest", Text, nullable=False),
    sa.Column("job_id", Text, nullable=False),
    sa.Column("dataset_id", Text, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
    _time("created_at"),
    sqlite_autoincrement=True,
)

expired = sa.Table(
    "expired",
    metadata,
    sa.Column("id", Text, primary_key=True),
    _time("expired_at"),
)

# Work beside jobs that any worker may do: parts of encoding jobs, and comparisons of models with baselines.
pieces = sa.Table(
    "pieces",
    metadata,
    _seq(),
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), index=True),
    sa.Column("model_id", sa.ForeignKey("models.id", ondelete="CASCADE"), unique=True),
    sa.Column("task", sa.JSON, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("max_attempts", sa.Integer, nullable=False),
    sa.Column("worker_name", Text),
    _time("lease_expires_at", nullable=True),
    sa.Column("result", sa.JSON(none_as_null=True)),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Index("pieces_by_status", "status", "seq"),
    sqlite_autoincrement=True,
)

# Running workers, by the name of each; one that stops without a word is not heard of again.
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("name", Text, primary_key=True),
    _time("since"),
    _time("reported_at"),
    sa.Column("devices", sa.JSON, nullable=False),
    sa.Column("memory_bytes", sa.BigInteger, nullable=False),
)

# Counters for operators; a row is created by the first count.
counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

aliases = sa.Table(
    "aliases",
    metadata,
    _seq(),
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("model_id", sa.ForeignKey("models.id"), nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    _time("updated_at"),
    sqlite_autoincrement=True,
)

# A key's secret is not stored; digest is its SHA-256.
api_keys = sa.Table(
    "api_keys",
    metadata,
    _seq(),
    sa.Column("id", Text, nullable=False, unique=True),
    sa.Column("name", Text),
    sa.Column("scope", Text, nullable=False),
    sa.Column("digest", Text, nullable=False),
    _time("created_at"),
    _time("rotated_at", nullable=True),
    sqlite_autoincrement=True,
)
