"""Reads cells of text: which are missing, which are numbers, and which numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from app.problems import InvalidError, Place
from app.tables.columns.options import ReadOptions
from app.tables.table import SPACES

TRUE_WORDS, FALSE_WORDS = ("True", "TRUE", "true"), ("False", "FALSE", "false")
_NUMBER = r"(?i)^[+-]?(?:(?:\d+{point}?\d*|{point}\d+)(?:e[+-]?\d+)?|nan|inf|infinity)$"
_DAY = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2}(?:\d{2})?"
    r"|\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{2,4})"
)
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?"
# 1,234.5 and 1'234.5; 1.234.567 and 1.234,5; not 1.234, which is a number.
_THOUSANDS = (
    r"^[+-]?\d{1,3}(?:(?:[,'\x{2019}\x{a0}\x{202f}]\d{3})+(?:\.\d+)?|(?:\.\d{3})+,\d+|(?:\.\d{3}){2,})$"
)
_DAY_OR_MONTH_FIRST = r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"
_YEAR_FIRST = r"^(?:\d{4}[-/.]|\d{1,2}:\d{2})"
MAX_SHOWN_CELL = 40
_DATE = rf"^(?:{_DAY}(?:[T ]{_TIME})?|{_TIME})$"


@dataclass(frozen=True)
class Cells:
    """Some cells of one column, each array of their number.

    Args:
        text: Without spaces around it; "" for null.
        is_missing: Whether the cell is empty, NaN or one of the words for missing.
        is_number: Whether it is a number (or true or false) that is not missing.
        numbers: float64, NaN where it is no number.
    """

    text: pa.Array
    is_missing: NDArray[np.bool_]
    is_number: NDArray[np.bool_]
    numbers: NDArray[np.float64]

    @property
    def is_other(self) -> NDArray[np.bool_]:
        """Whether the cell is there and no number."""
        other: NDArray[np.bool_] = ~(self.is_missing | self.is_number)
        return other


def read_cells(array: pa.Array, options: ReadOptions) -> Cells:
    """Read an array of text."""
    plain = _read_plain(array, options)
    return _read_any(array, options) if plain is None else plain


def _read_plain(array: pa.Array, options: ReadOptions) -> Cells | None:
    """Read cells that are numbers or missing, much faster than others; None where some are neither."""
    text = pc.fill_null(array.cast(pa.string()), "")
    words = pa.array(options.missing_words, pa.string())
    numerals = pc.if_else(pc.is_in(text, value_set=words), pa.scalar(None, pa.string()), text)
    if options.decimal == ",":
        if pc.any(pc.match_substring(numerals, ".")).as_py():
            return None
        numerals = pc.replace_substring(numerals, ",", ".")
    try:
        numbers = _to_numpy(numerals.cast(pa.float64()))
    except pa.ArrowInvalid:
        return None
    for number in options.missing_numbers:
        numbers[numbers == number] = np.nan
    is_missing = np.isnan(numbers)
    return Cells(text, is_missing, ~is_missing, numbers)


def holds_numbers(array: pa.Array, options: ReadOptions) -> bool:
    """Whether cells of text are numbers or empty, and not all of them empty."""
    cells = _read_plain(array, options)
    if cells is None:
        return False
    words = pc.not_equal(cells.text.filter(cells.is_missing), "")
    return bool(cells.is_number.any()) and not pc.any(words).as_py()


def _read_any(array: pa.Array, options: ReadOptions) -> Cells:
    text = trim(array)
    point = "," if options.decimal == "," else r"\."
    is_numeral = pc.match_substring_regex(text, _NUMBER.replace("{point}", point))
    numerals = pc.if_else(is_numeral, text, pa.scalar(None, pa.string()))
    numerals = pc.utf8_ltrim(numerals, "+")
    if options.decimal == ",":
        numerals = pc.replace_substring(numerals, ",", ".")
    numbers = _to_numpy(numerals.cast(pa.float64()))
    numbers = np.where(_is_in(text, TRUE_WORDS), 1.0, np.where(_is_in(text, FALSE_WORDS), 0.0, numbers))
    is_gone = _is_in(text, options.missing_words) | (_to_numpy(is_numeral) & np.isnan(numbers))
    for number in options.missing_numbers:
        is_gone |= numbers == number
    numbers[is_gone] = np.nan
    return Cells(text, is_gone, ~np.isnan(numbers), numbers)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text."""
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether a column holds numbers, truth values, or nothing at all."""
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )


def as_text(name: str, array: pa.Array) -> pa.Array:
    """Return the cells of a column as text: whole numbers without a point, True and False.

    Raises:
        InvalidError: They are of a type that has no text.
    """
    if types.is_boolean(array.type):
        return pc.if_else(array, "True", "False")
    try:
        return array.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        place = Place(detail=f"it holds {array.type}, which is no text", column=name)
        raise InvalidError(f"column {name!r}: {place.detail}", [place], code="not_text") from None


def trim(array: pa.Array) -> pa.Array:
    """Return text without spaces around it; "" for null."""
    return pc.fill_null(pc.utf8_trim(array.cast(pa.string()), SPACES), "")


def is_date(text: pa.Array) -> NDArray[np.bool_]:
    """Whether cells look like a day, a time of day or both."""
    return _to_numpy(pc.match_substring_regex(text, _DATE))


def is_year_first(text: pa.Array) -> NDArray[np.bool_]:
    """Whether dates begin with the year, or are times of day."""
    return _to_numpy(pc.match_substring_regex(text, _YEAR_FIRST))


def is_day_or_month_first(text: pa.Array) -> NDArray[np.bool_]:
    """Whether dates are numbers that end with the year."""
    return _to_numpy(pc.match_substring_regex(pc.fill_null(text, ""), _DAY_OR_MONTH_FIRST))


def has_decimal_comma(text: pa.Array) -> NDArray[np.bool_]:
    """Whether cells would be numbers if a comma came before their decimals."""
    return _to_numpy(pc.match_substring_regex(text, _NUMBER.replace("{point}", ",")))


def has_thousands(text: pa.Array) -> NDArray[np.bool_]:
    """Whether cells would be numbers if what separates their thousands was left out."""
    return _to_numpy(pc.match_substring_regex(text, _THOUSANDS))


def shorten(cell: str) -> str:
    """Return a cell as it is shown in errors."""
    return repr(cell if len(cell) <= MAX_SHOWN_CELL else f"{cell[:MAX_SHOWN_CELL]}...")


def _is_in(text: pa.Array, words: tuple[str, ...]) -> NDArray[np.bool_]:
    return _to_numpy(pc.is_in(text, value_set=pa.array(words, pa.string())))


def _to_numpy(array: pa.Array) -> NDArray[Any]:
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return values if values.flags.writeable else values.copy()
