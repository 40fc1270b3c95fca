"""Quota of stored bytes, of all datasets and of one API key."""

from dataclasses import dataclass

import sqlalchemy as sa

from worker.store.database.errors import QuotaExceeded
from worker.store.database.schema import datasets


@dataclass(frozen=True, kw_only=True)
class Quota:
    """The limits on stored bytes; None means no limit. Concurrent datasets may together exceed a limit.

    Args:
        max_stored_bytes: Of all datasets.
        max_stored_bytes_per_key: Of the datasets that one API key uploaded or made by encoding jobs.
    """

    max_stored_bytes: int | None
    max_stored_bytes_per_key: int | None

    def check(self, connection: sa.Connection, size_bytes: int, key_id: str | None) -> None:
        """Check that a dataset fits the quota.

        Raises:
            QuotaExceeded: It would exceed a limit.
        """
        if self.max_stored_bytes is not None:
            _check(connection, sa.true(), size_bytes, self.max_stored_bytes, "All datasets")
        if self.max_stored_bytes_per_key is not None and key_id is not None:
            own = datasets.c.key_id == key_id
            _check(connection, own, size_bytes, self.max_stored_bytes_per_key, "The datasets of this key")


def _check(
    connection: sa.Connection, which: sa.ColumnElement[bool], size_bytes: int, limit: int, whose: str
) -> None:
    query = sa.select(sa.func.coalesce(sa.func.sum(datasets.c.size_bytes), 0)).where(which)
    stored = int(connection.execute(query).scalar_one())
    if stored + size_bytes > limit:
        raise QuotaExceeded(
            f"{whose} take {stored} bytes; {size_bytes} more would exceed the {limit} that may be stored. "
            "Delete some first.",
            code="quota_exceeded",
        )
