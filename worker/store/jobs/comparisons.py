"""Comparisons of published models with baseline groupings: due ones, claims, results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from worker.store.database.engine import Database
from worker.store.database.schema import DatabaseNow, comparisons, models

MAX_ATTEMPTS = 3  # lost workers, so that a comparison that kills its worker is not retried for ever

_IS_OPEN = sa.and_(comparisons.c.document.is_(None), comparisons.c.error.is_(None))
_IS_DUE = sa.and_(_IS_OPEN, comparisons.c.worker_name.is_(None))


@dataclass(frozen=True, kw_only=True)
class ComparisonRecord:
    """The comparison of a model: its document, or the error, or neither while it is due or running."""

    document: dict[str, Any] | None
    error: str | None
    is_running: bool


@dataclass(frozen=True, kw_only=True)
class ComparisonClaim:
    """A worker's claim of a comparison.

    Attributes:
        config: The `RunConfig` of the job that made the model.
        training_seconds: Duration of that job's training, its start included.
    """

    model_id: str
    dataset_id: str
    config: dict[str, Any]
    training_seconds: float
    worker_name: str


class Comparisons:
    """All comparisons; any number of workers may claim them.

    Only the holder of a claim writes a result, once.

    Args:
        lease_s: How long a claim is valid without renewal.
    """

    def __init__(self, database: Database, *, lease_s: float) -> None:
        self._database = database
        self._lease_s = lease_s

    def get(self, model_id: str) -> ComparisonRecord | None:
        """The comparison of a model; None when none was requested."""
        query = sa.select(comparisons).where(comparisons.c.model_id == model_id)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return ComparisonRecord(
            document=row.document, error=row.error, is_running=row.worker_name is not None
        )

    def first_due(self) -> str | None:
        """The id of the model whose due comparison has waited longest; None when none is due."""
        query = sa.select(comparisons.c.model_id).where(_IS_DUE).order_by(comparisons.c.created_at).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def claim(self, worker_name: str) -> ComparisonClaim | None:
        """Claim the due comparison that has waited longest; of several callers, one gets it.

        Args:
            worker_name: Unique to this process.
        """
        due = sa.select(comparisons.c.model_id).where(_IS_DUE).order_by(comparisons.c.created_at).limit(1)
        first = due.with_for_update(skip_locked=True).scalar_subquery()
        query = (
            sa.update(comparisons)
            .where(comparisons.c.model_id == first, _IS_DUE)
            .values(
                worker_name=worker_name,
                claimed_until=DatabaseNow() + self._lease_s,
                attempts=comparisons.c.attempts + 1,
            )
            .returning(comparisons.c.model_id, comparisons.c.config)
        )
        with self._database.write() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            model = connection.execute(
                sa.select(models.c.dataset_id, models.c.document).where(models.c.id == row.model_id)
            ).one()
        return ComparisonClaim(
            model_id=row.model_id,
            dataset_id=model.dataset_id,
            config=row.config,
            training_seconds=model.document["training_seconds"],
            worker_name=worker_name,
        )

    def renew(self, claim: ComparisonClaim) -> bool:
        """Extend a claim by a lease; False when it was lost or the model deleted."""
        return self._change(claim, claimed_until=DatabaseNow() + self._lease_s)

    def release(self, claim: ComparisonClaim) -> None:
        """Make a comparison due again; this does not count as a lost attempt."""
        self._change(claim, worker_name=None, claimed_until=None, attempts=comparisons.c.attempts - 1)

    def finish(self, claim: ComparisonClaim, document: Mapping[str, Any]) -> None:
        """Store the result, unless the claim was lost."""
        self._change(claim, worker_name=None, claimed_until=None, document=dict(document))

    def fail(self, claim: ComparisonClaim, reason: str) -> None:
        """Store why there is no result, unless the claim was lost."""
        self._change(claim, worker_name=None, claimed_until=None, error=reason)

    def busy_workers(self) -> set[str]:
        """The names of all workers that hold a comparison."""
        query = sa.select(comparisons.c.worker_name).where(comparisons.c.worker_name.is_not(None))
        with self._database.read() as connection:
            return set(connection.execute(query).scalars())

    def drain_workers(self, name_prefix: str) -> None:
        """Release the comparisons of workers with this prefix; they stop at their next renewal."""
        named = comparisons.c.worker_name.startswith(name_prefix, autoescape=True)
        self._write(
            sa.update(comparisons)
            .where(named)
            .values(worker_name=None, claimed_until=None, attempts=comparisons.c.attempts - 1)
        )

    def release_worker(self, worker_name: str) -> None:
        """Release the comparison of a dead worker; this counts as a lost attempt."""
        self._release_lost(comparisons.c.worker_name == worker_name)

    def expire_claims(self) -> None:
        """Release comparisons whose lease has expired; this counts as a lost attempt."""
        self._release_lost(comparisons.c.claimed_until < DatabaseNow())

    def _release_lost(self, which: sa.ColumnElement[bool]) -> None:
        with self._database.read() as connection:  # usually nothing is lost, and no lock is taken
            if connection.execute(sa.select(comparisons.c.model_id).where(which).limit(1)).first() is None:
                return
        text = f"{MAX_ATTEMPTS} workers were lost while they made it"
        is_last = comparisons.c.attempts >= MAX_ATTEMPTS
        self._write(
            sa.update(comparisons)
            .where(which)
            .values(worker_name=None, claimed_until=None, error=sa.case((is_last, text)))
        )

    def _change(self, claim: ComparisonClaim, **values: Any) -> bool:
        """Update the row of a claim; False when the claim was lost."""
        is_held = sa.and_(
            comparisons.c.model_id == claim.model_id, comparisons.c.worker_name == claim.worker_name
        )
        return self._write(sa.update(comparisons).where(is_held).values(**values)) == 1

    def _write(self, query: sa.Update) -> int:
        with self._database.write() as connection:
            return connection.execute(query).rowcount


def request_comparison(connection: sa.Connection, model_id: str, config: Mapping[str, Any]) -> None:
    """Request a comparison of a model, in the transaction that publishes it, if its job asks for one."""
    if config["report"]["baselines"]:
        connection.execute(
            sa.insert(comparisons).values(
                model_id=model_id, config=dict(config), attempts=0, created_at=DatabaseNow()
            )
        )
