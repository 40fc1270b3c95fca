"""Looks at every cell of a column of text, and decides what the column is."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from app.problems import MAX_PLACES
from app.tables.columns.options import Kind
from app.tables.columns.text_cells import (
    Cells,
    has_decimal_comma,
    has_thousands,
    is_date,
    is_day_or_month_first,
    is_year_first,
    shorten,
)

MAX_VALUES = 255  # of a categorical column
MAX_SHOWN = 5
DATES = "it holds dates or times; to learn from it, give it the type datetime"
DAY_OR_MONTH_FIRST = f"{DATES} and say with date_order=day or date_order=month what comes first"
OTHER_DATES = f"{DATES} and write them with the year first, as in 2026-01-31"


@dataclass(frozen=True)
class Decision:
    """What a column is.

    Args:
        kind: "ignore" leaves it out.
        reason: Why it is left out, or what is to be said about it.
    """

    kind: Kind
    reason: str | None = None


@dataclass
class TextSurvey:
    """What the cells of one column were, so far.

    Attributes:
        rows: Cells looked at.
        missing: Missing cells by the word that stands for them.
        numbers: Cells that are numbers.
        dates: Cells that look like dates or times, among those that are neither missing nor numbers.
        others: The first cells that are no numbers, with their rows from 1.
        num_others: All of those.
        decimal_commas: How many of them would be numbers with a decimal comma.
        thousands: How many of them would be numbers without what separates thousands.
        numerals: How many of them would be numbers either way.
        values: The distinct cells that are there; None where they are more than MAX_VALUES.
    """

    rows: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    numbers: int = 0
    dates: int = 0
    num_others: int = 0
    decimal_commas: int = 0
    thousands: int = 0
    numerals: int = 0
    others: list[tuple[int, str]] = field(default_factory=list)
    values: set[str] | None = field(default_factory=set)

    def add(self, cells: Cells) -> None:
        """Look at the next cells."""
        is_other = cells.is_other
        found = np.flatnonzero(is_other)
        if cells.is_missing.any():
            words = pc.value_counts(cells.text.filter(cells.is_missing))
            self.missing.update({word["values"].as_py(): word["counts"].as_py() for word in words})
        self.numbers += int(cells.is_number.sum())
        if len(found):
            others = cells.text.filter(is_other)
            self.dates += int(is_date(others).sum())
            with_comma, with_thousands = has_decimal_comma(others), has_thousands(others)
            self.decimal_commas += int(with_comma.sum())
            self.thousands += int(with_thousands.sum())
            self.numerals += int((with_comma | with_thousands).sum())
            wanted = found[: MAX_PLACES - len(self.others)].tolist()
            self.others += [(self.rows + row + 1, cells.text[row].as_py()) for row in wanted]
            self.num_others += len(found)
        if self.values is not None:
            self.values.update(pc.unique(cells.text.filter(~cells.is_missing))[: MAX_VALUES + 1].to_pylist())
            if len(self.values) > MAX_VALUES:
                self.values = None
        self.rows += len(is_other)

    @property
    def present(self) -> int:
        """Cells that are not missing."""
        return self.numbers + self.num_others

    @property
    def is_mixed(self) -> bool:
        """Whether at least half of the cells are numbers, or would be in another spelling, but not all."""
        return self.num_others > 0 and 2 * (self.numbers + self.numerals) >= self.present

    def decide(self) -> Decision:
        """Say what the column is when nothing was said about it; one that `is_mixed` is numeric."""
        if self.num_others == 0 or self.is_mixed:
            return Decision("numeric")
        if self.dates == self.present:
            return Decision("ignore", self._describe_dates())
        if self.values is not None and 2 * len(self.values) <= self.present:
            return Decision("categorical", f"it holds text and is read as {len(self.values)} categories")
        distinct = "more than 255" if self.values is None else str(len(self.values))
        return Decision(
            "ignore",
            f"it holds text with {distinct} different values in {self.present} cells; to keep it beside the "
            "rows, give it the type key",
        )

    def _describe_dates(self) -> str:
        """Say how dates of this spelling can be had."""
        texts = pa.array([text for _, text in self.others])
        if is_year_first(texts).all():
            return DATES
        return DAY_OR_MONTH_FIRST if is_day_or_month_first(texts).all() else OTHER_DATES

    def describe_others(self) -> str:
        """Say which cells are no numbers."""
        rows = ", ".join(str(row) for row, _ in self.others[:MAX_SHOWN])
        shown = ", ".join(sorted({shorten(text) for _, text in self.others})[:MAX_SHOWN])
        cells = "1 cell is" if self.num_others == 1 else f"{self.num_others} cells are"
        more = ", ..." if self.num_others > MAX_SHOWN else ""
        return f"{cells} no number: {shown} (rows {rows}{more}){self._spelling()}"

    def _spelling(self) -> str:
        """Say how cells could be numbers; of 1,234 nobody knows what its comma is."""
        has_commas, has_thousands = (
            count == self.num_others for count in (self.decimal_commas, self.thousands)
        )
        leave_out = "leave out what separates thousands: 1234.5, not 1,234.5"
        if has_commas and has_thousands:
            return f"; with decimal=, the commas would begin decimals; if they do not, {leave_out}"
        if has_commas:
            return "; with decimal=, they would be"
        return f"; {leave_out}" if self.thousands else ""
