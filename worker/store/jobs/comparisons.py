"""Comparisons of published models with baseline groupings; `pieces` says who makes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from worker.store.database.engine import Database
from worker.store.database.schema import pieces
from worker.store.jobs.pieces import PieceStatus

MAX_ATTEMPTS = 3  # lost workers, so that a comparison that kills its worker is not retried for ever


@dataclass(frozen=True, kw_only=True)
class ComparisonRecord:
    """The comparison of a model: its document, or the error, or neither while it is due or running."""

    document: dict[str, Any] | None
    error: str | None
    is_running: bool


class Comparisons:
    """The results of all comparisons."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, model_id: str) -> ComparisonRecord | None:
        """The comparison of a model; None when none was requested."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(pieces).where(pieces.c.model_id == model_id)).one_or_none()
        if row is None:
            return None
        return ComparisonRecord(
            document=row.result,
            error=None if row.error is None else row.error["text"],
            is_running=row.status == PieceStatus.RUNNING,
        )


def request_comparison(connection: sa.Connection, model_id: str, config: Mapping[str, Any]) -> None:
    """Request a comparison of a model, in the transaction that publishes it, if its job asks for one."""
    if config["report"]["baselines"]:
        connection.execute(
            sa.insert(pieces).values(
                model_id=model_id,
                task=dict(config),  # the job may be deleted
                status=PieceStatus.DUE,
                attempts=0,
                max_attempts=MAX_ATTEMPTS,
            )
        )
