"""Reads dates and times as seconds, and writes seconds as dates and times."""

from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from app.problems import InvalidError, Place
from app.tables.columns.options import DateOrder, ReadOptions
from app.tables.columns.text_cells import is_day_or_month_first, is_text, read_cells, shorten, trim

DATE_ORDER = "say with date_order=day or date_order=month what comes first"
EXAMPLES: dict[DateOrder, str] = {"year": "2026-01-31", "day": "31/01/2026", "month": "01/31/2026"}
_HAS_ZONE = r"\d{2}:\d{2}\S*?(?:Z|[+-]\d{2}(?::?\d{2})?)$"
_IS_CLOCK = r"^\d{1,2}:\d{2}"
# Days that do not begin with the year, as such that do.
_ORDERS: dict[DateOrder, tuple[tuple[str, str], ...]] = {
    "year": (),
    "day": ((r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})", r"\3/\2/\1"),),
    "month": ((r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})", r"\3/\1/\2"),),
}
# What is written in several ways, in the one that Arrow reads: the pattern, and what stands in its place.
_SPELLINGS = (
    (r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", r"\1-0\2-0\3"),
    (r"^(\d{4})-0?(\d{2})-0?(\d{2})", r"\1-\2-\3"),
    (r"^(\d{1,2}:\d{2})", r"1970-01-01 \1"),
    (r"[ T](\d):", r" 0\1:"),
    (r"(\.\d{6})\d+", r"\1"),
    (r" ?(?:Z|UTC)$", "Z"),
    (r" ([+-]\d{2}:?\d{2})$", r"\1"),
)
_DAY_US = 86_400_000_000
_FIRST_US, _END_US = (int(np.datetime64(day, "us").astype(np.int64)) for day in ("0001-01-01", "10000-01-01"))


def read_seconds(
    name: str, array: pa.Array, options: ReadOptions, rows_before: int = 0
) -> NDArray[np.float64]:
    """Return times as seconds since 1970, float64; a time of day counts from midnight, NaN is missing.

    Times without a zone are taken for UTC.

    Raises:
        InvalidError: A cell is no time, or a text no time with the year first, as ISO 8601 has it, or in the
            order that the options say.
    """
    try:
        microseconds = _microseconds(array, options)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _no_time(name, array, options, rows_before, str(error)) from None
    seconds: NDArray[np.float64] = (
        microseconds.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) / 1e6
    )
    return seconds


def first_time(array: pa.Array, options: ReadOptions) -> str | None:
    """Return the first time of an array that `read_seconds` reads, in ISO 8601; None where all are missing.

    A time of day has no date; only a time with a zone has one here, UTC.
    """
    microseconds = _microseconds(array, options)
    present = microseconds.is_valid().index(True).as_py()
    if present < 0:
        return None
    written = str(np.datetime64(microseconds[present].as_py(), "us")).removesuffix(".000000")
    has_day, has_zone = not types.is_time(array.type), getattr(array.type, "tz", None) is not None
    if is_text(array.type):
        text = trim(array[present : present + 1])
        has_day = not pc.match_substring_regex(text, _IS_CLOCK)[0].as_py()
        has_zone = pc.match_substring_regex(_spell(text, options), _HAS_ZONE)[0].as_py()
    return written + ("Z" if has_zone else "") if has_day else written.partition("T")[2]


def is_clock(time: str) -> bool:
    """Whether what `first_time` wrote is a time of day."""
    return "-" not in time


def seconds_of(origin: str) -> float:
    """Return a time that `first_time` wrote as seconds."""
    return float(read_seconds("", pa.array([origin]), ReadOptions())[0])


def write_times(seconds: NDArray[np.floating[Any]], origin: str) -> pa.Array:
    """Return seconds since an origin as timestamps, with a zone if it has one, or times of day; NaN is null.

    What is beyond midnight, or the years 1 to 9999, is cut off there.
    """
    zone = "UTC" if origin.endswith("Z") else None
    kind = pa.time64("us") if is_clock(origin) else pa.timestamp("us", zone)
    first, end = (0, _DAY_US) if is_clock(origin) else (_FIRST_US, _END_US)
    microseconds = np.rint((seconds.astype(np.float64) + seconds_of(origin)) * 1e6)
    whole = np.nan_to_num(microseconds.clip(first, end)).astype(np.int64).clip(max=end - 1)
    return pa.array(whole, mask=np.isnan(microseconds)).cast(kind)


def write_text(times: pa.Array) -> pa.Array:
    """Return what `write_times` returns as text in ISO 8601, without a fraction that is zero."""
    text = times.cast(pa.string())
    for pattern, spelling in ((" ", "T"), (r"\.000000(Z?)$", r"\1")):
        text = pc.replace_substring_regex(text, pattern, spelling)
    return text


def _microseconds(array: pa.Array, options: ReadOptions) -> pa.Array:
    if is_text(array.type):
        whole = _read_text(trim(array), options)
    elif types.is_time(array.type):
        whole = array.cast(pa.time64("us"), safe=False).cast(pa.int64())
    elif types.is_timestamp(array.type) or types.is_date(array.type) or types.is_null(array.type):
        cut = pc.CastOptions(pa.timestamp("us"), allow_time_truncate=True)
        whole = array.cast(options=cut).cast(pa.int64())
    else:
        raise pa.ArrowInvalid(f"it holds {array.type}")
    if pc.any(pc.or_(pc.less(whole, _FIRST_US), pc.greater_equal(whole, _END_US))).as_py():
        raise pa.ArrowInvalid("it is not between the years 1 and 9999")
    return whole


def _read_text(text: pa.Array, options: ReadOptions) -> pa.Array:
    nothing = pa.scalar(None, pa.string())
    with suppress(pa.ArrowInvalid):  # some are missing, have a zone, or are spelled otherwise
        return text.cast(pa.timestamp("us")).cast(pa.int64())
    text = pc.if_else(pa.array(read_cells(text, options).is_missing), nothing, text)
    text = _spell(text, options)
    has_zone = pc.match_substring_regex(text, _HAS_ZONE)
    zoned = pc.if_else(has_zone, text, nothing).cast(pa.timestamp("us", "UTC"))
    local = pc.if_else(has_zone, nothing, text).cast(pa.timestamp("us"))
    return pc.coalesce(zoned.cast(pa.int64()), local.cast(pa.int64()))


def _spell(text: pa.Array, options: ReadOptions) -> pa.Array:
    """Return times as Arrow reads them."""
    for pattern, spelling in (*_ORDERS[options.date_order], *_SPELLINGS):
        text = pc.replace_substring_regex(text, pattern, spelling)
    return text


def _no_time(name: str, array: pa.Array, options: ReadOptions, rows_before: int, reason: str) -> InvalidError:
    """Say which cell is the first that is no time."""
    example = EXAMPLES[options.date_order]
    detail, row = f"not a time such as {example} or {example} 12:30:00: {reason[:100]}", None
    if is_text(array.type):
        index = _first_fault(array, options)
        row = rows_before + index + 1
        cell = shorten(array[index].as_py())
        detail = f"{cell} is not a time such as {example} or {example} 12:30:00"
        if options.date_order == "year" and is_day_or_month_first(array[index : index + 1])[0]:
            detail += f"; {DATE_ORDER}"
    at = f"column {name!r}" + (f", row {row}" if row else "")
    return InvalidError(f"{at}: {detail}", [Place(detail=detail, column=name, row=row)], code="not_a_time")


def _first_fault(array: pa.Array, options: ReadOptions) -> int:
    """Return the index of the first cell that is no time, of which there is one, by halving."""
    first, end = 0, len(array)
    while end - first > 1:
        middle = (first + end) // 2
        try:
            _microseconds(array[first:middle], options)
            first = middle
        except pa.ArrowInvalid:
            end = middle
    return first
