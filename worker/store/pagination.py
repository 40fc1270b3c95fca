"""Pages of long lists, newest first, each page in constant time."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from worker.store.errors import InvalidCursor

Item = TypeVar("Item")


@dataclass(frozen=True)
class Page(Generic[Item]):
    """A part of a list; next_cursor is None on the last page."""

    items: list[Item]
    next_cursor: str | None


def fetch_page(
    connection: sa.Connection,
    query: sa.Select[Any],
    *,
    order_by: sa.ColumnElement[int],
    limit: int,
    cursor: str | None,
    to_record: Callable[[sa.RowMapping], Item],
) -> Page[Item]:
    """Run a query for one page, from the highest `order_by` down.

    Args:
        order_by: Unique, and a column of the query.
        limit: At least 1.

    Raises:
        InvalidCursor: The cursor was not made here.
    """
    if cursor is not None:
        query = query.where(order_by < _decode(cursor))
    rows = connection.execute(query.order_by(order_by.desc()).limit(limit + 1)).mappings().all()
    shown = rows[:limit]
    next_cursor = _encode(shown[-1][order_by]) if len(rows) > limit else None
    return Page([to_record(row) for row in shown], next_cursor)


def _encode(place: int) -> str:
    return base64.urlsafe_b64encode(f"v1:{place}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> int:
    try:
        version, place = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).split(b":")
        if version == b"v1" and place.isdigit() and len(place) < 19:  # fits 64 bits
            return int(place)
    except (binascii.Error, ValueError):
        pass
    raise InvalidCursor("This cursor was not given out by this list.", code="invalid_cursor")
