"""Makes records of rows."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

Record = TypeVar("Record")

_reader_of: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def to_record(kind: type[Record], row: Mapping[Any, Any]) -> Record:
    """Return the record of a row, whose columns are named as its fields; seconds become times in UTC."""
    record: Record = _reader_of(kind).validate_python(dict(row))
    return record
