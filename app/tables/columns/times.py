"""Reads dates and times as seconds."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from app.problems import InvalidError, Place
from app.tables.columns.options import ReadOptions
from app.tables.columns.text_cells import is_missing, is_text, trim

_HAS_ZONE = r"\d{2}:\d{2}\S*?(?:Z|[+-]\d{2}(?::?\d{2})?)$"
# What is written in several ways, in the one that Arrow reads: the pattern, and what stands in its place.
_SPELLINGS = (
    (r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", r"\1-0\2-0\3"),
    (r"^(\d{4})-0?(\d{2})-0?(\d{2})", r"\1-\2-\3"),
    (r"^(\d{1,2}):(\d{2})", r"1970-01-01 0\1:\2"),
    (r"^1970-01-01 0(\d{2}):", r"1970-01-01 \1:"),
    (r"(\.\d{6})\d+", r"\1"),
    (r" ?(?:Z|UTC)$", "Z"),
    (r" ([+-]\d{2}:?\d{2})$", r"\1"),
)


def read_seconds(name: str, array: pa.Array, options: ReadOptions) -> NDArray[np.float64]:
    """Return times as seconds, float64; a time of day counts from midnight, NaN is missing.

    Raises:
        InvalidError: A cell is no time, or a text no time with the year first, as ISO 8601 has it.
    """
    try:
        microseconds = _microseconds(array, options).cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        detail = f"not a time such as 2026-01-31 or 2026-01-31 12:30:00: {str(error)[:100]}"
        place = Place(detail=detail, column=name)
        raise InvalidError(f"column {name!r}: {detail}", [place], code="not_a_time") from None
    seconds: NDArray[np.float64] = microseconds.to_numpy(zero_copy_only=False) / 1e6
    return seconds


def _microseconds(array: pa.Array, options: ReadOptions) -> pa.Array:
    if is_text(array.type):
        return _read_text(trim(array), options)
    if types.is_time(array.type):
        return array.cast(pa.time64("us"), safe=False).cast(pa.int64())
    if types.is_duration(array.type):
        return array.cast(pa.duration("us"), safe=False).cast(pa.int64())
    if types.is_temporal(array.type) or types.is_null(array.type):
        return array.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    raise pa.ArrowInvalid(f"it holds {array.type}")


def _read_text(text: pa.Array, options: ReadOptions) -> pa.Array:
    nothing = pa.scalar(None, pa.string())
    text = pc.if_else(pa.array(is_missing(text, options)), nothing, text)
    for pattern, spelling in _SPELLINGS:
        text = pc.replace_substring_regex(text, pattern, spelling)
    has_zone = pc.match_substring_regex(text, _HAS_ZONE)
    zoned = pc.if_else(has_zone, text, nothing).cast(pa.timestamp("us", "UTC"))
    local = pc.if_else(has_zone, nothing, text).cast(pa.timestamp("us"))
    return pc.coalesce(zoned.cast(pa.int64()), local.cast(pa.int64()))
