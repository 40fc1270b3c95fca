"""Pages of long lists, newest first, each page in constant time."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
import sqlalchemy as sa

from worker.store.database.errors import InvalidCursor

Item = TypeVar("Item")

MAX_PAGE_BYTES = 8 << 20  # of the stored rows, as text; what comes out is of about this size
ROWS_AT_ONCE = 20

CURSOR_PATTERN = "^c[0-9a-f]{1,15}$"  # fits 64 bits; a pattern, so that the API's description can say it


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
    """Run a query for one page, from the highest `order_by` down; it is full early where its items are large.

    Args:
        order_by: Unique, and a column of the query.
        limit: At least 1.

    Raises:
        InvalidCursor: The cursor was not made here.
    """
    if cursor is not None:
        query = query.where(order_by < decode_cursor(cursor))
    # Read as they are needed: the rows of a page may be gigabytes in all.
    query = query.order_by(order_by.desc()).limit(limit + 1).execution_options(yield_per=ROWS_AT_ONCE)
    shown: list[Item] = []
    last, size_bytes = 0, 0
    with connection.execute(query) as result:
        for row in result.mappings():
            if len(shown) == limit or size_bytes > MAX_PAGE_BYTES:
                return Page(shown, encode_cursor(last))
            shown.append(to_record(row))
            last = row[order_by]
            size_bytes += len(orjson.dumps(list(row.values())))
    return Page(shown, None)


def encode_cursor(place: int) -> str:
    """A cursor that continues a list after the item of this number."""
    return f"c{place:x}"


def decode_cursor(cursor: str) -> int:
    """The number that a cursor stands for.

    Raises:
        InvalidCursor: The cursor was not made here.
    """
    if not re.fullmatch(CURSOR_PATTERN, cursor):
        raise InvalidCursor("This cursor was not given out by this list.", code="invalid_cursor")
    return int(cursor[1:], base=16)
