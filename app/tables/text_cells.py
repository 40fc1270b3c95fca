"""Reads cells of text: which are missing, which are numbers, and which numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.tables.options import ReadOptions

SPACES = " \t\N{NO-BREAK SPACE}"  # around a cell
TRUE_WORDS, FALSE_WORDS = ("True", "TRUE", "true"), ("False", "FALSE", "false")
_NUMBER = r"(?i)^[+-]?(?:(?:\d+{point}?\d*|{point}\d+)(?:e[+-]?\d+)?|nan|inf|infinity)$"
_DAY = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2}(?:\d{2})?"
    r"|\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{2,4})"
)
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?"
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
    text = pc.fill_null(pc.utf8_trim(array.cast(pa.string()), SPACES), "")
    point = "," if options.decimal == "," else r"\."
    is_numeral = pc.match_substring_regex(text, _NUMBER.replace("{point}", point))
    numerals = pc.if_else(is_numeral, text, pa.scalar(None, pa.string()))
    numerals = pc.utf8_ltrim(numerals, "+")
    if options.decimal == ",":
        numerals = pc.replace_substring(numerals, ",", ".")
    numbers = _to_numpy(numerals.cast(pa.float64()))
    numbers = np.where(_is_in(text, TRUE_WORDS), 1.0, np.where(_is_in(text, FALSE_WORDS), 0.0, numbers))
    is_missing = _is_in(text, options.missing_words)
    is_missing |= _to_numpy(is_numeral) & np.isnan(numbers)
    for number in options.missing_numbers:
        is_missing |= numbers == number
    numbers[is_missing] = np.nan
    return Cells(text, is_missing, ~np.isnan(numbers), numbers)


def is_date(text: pa.Array) -> NDArray[np.bool_]:
    """Whether cells look like a day, a time of day or both."""
    return _to_numpy(pc.match_substring_regex(text, _DATE))


def has_decimal_comma(text: pa.Array) -> NDArray[np.bool_]:
    """Whether cells would be numbers if a comma came before their decimals."""
    return _to_numpy(pc.match_substring_regex(text, _NUMBER.replace("{point}", ",")))


def _is_in(text: pa.Array, words: tuple[str, ...]) -> NDArray[np.bool_]:
    return _to_numpy(pc.is_in(text, value_set=pa.array(words, pa.string())))


def _to_numpy(array: pa.Array) -> NDArray[Any]:
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return values if values.flags.writeable else values.copy()
