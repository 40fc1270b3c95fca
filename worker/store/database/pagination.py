"""Cursor pagination of long lists, newest first, in constant time for each page."""

import re
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
import sqlalchemy as sa

from worker.store.database.engine import Database
from worker.store.database.errors import InvalidCursor
from worker.store.database.row_records import to_record

Item = TypeVar("Item")

MAX_PAGE_BYTES = 8 << 20  # of the stored rows as JSON; the response has about this size
FETCH_ROWS = 20

CURSOR_PATTERN = "^c[0-9a-f]{1,15}$"  # fits 64 bits; also in the OpenAPI document


@dataclass(frozen=True)
class Page(Generic[Item]):
    """A part of a list; next_cursor is None on the last page."""

    items: list[Item]
    next_cursor: str | None


def list_rows(
    database: Database, table: sa.Table, kind: type[Item], *, limit: int, cursor: str | None
) -> Page[Item]:
    """Fetch one page of all rows of a table, newest first."""
    with database.read() as connection:
        page = fetch_page(connection, sa.select(table), order_by=table.c.seq, limit=limit, cursor=cursor)
    return Page([to_record(kind, row) for row in page.items], page.next_cursor)


def fetch_page(
    connection: sa.Connection,
    query: sa.Select[Any],
    *,
    order_by: sa.ColumnElement[int],
    limit: int,
    cursor: str | None,
) -> Page[sa.RowMapping]:
    """Fetch one page, from the highest `order_by` down; a page of large items holds fewer.

    Args:
        order_by: Unique, and a column of the query.
        limit: At least 1.

    Raises:
        InvalidCursor: The cursor is malformed.
    """
    if cursor is not None:
        query = query.where(order_by < decode_cursor(cursor))
    # Streamed, because the rows of a page may be gigabytes in total.
    query = query.order_by(order_by.desc()).limit(limit + 1).execution_options(yield_per=FETCH_ROWS)
    shown: list[sa.RowMapping] = []
    last, size_bytes = 0, 0
    with connection.execute(query) as result:
        for row in result.mappings():
            if len(shown) == limit or size_bytes > MAX_PAGE_BYTES:
                return Page(shown, encode_cursor(last))
            shown.append(row)
            last = row[order_by]
            size_bytes += len(orjson.dumps(list(row.values())))
    return Page(shown, None)


def encode_cursor(place: int) -> str:
    """The cursor that continues a list after the item with this number."""
    return f"c{place:x}"


def decode_cursor(cursor: str) -> int:
    """The number in a cursor.

    Raises:
        InvalidCursor: The cursor is malformed.
    """
    if not re.fullmatch(CURSOR_PATTERN, cursor):
        raise InvalidCursor("This cursor was not given out by this list.", code="invalid_cursor")
    return int(cursor[1:], base=16)
