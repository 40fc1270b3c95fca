"""What is gathered of columns while they are written: missing values, constants, what float32 rounds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.tables.table import Warned

# Float32 is kept where its rounding is below this part of a column's standard deviation.
MAX_ROUNDING = 2.0**-12
MIN_IDS = 100  # fewer numbers may well follow each other without being ids


@dataclass
class Statistics:
    """What is gathered of each column; all arrays are [columns].

    Args:
        is_time: Columns of which nothing at all may be rounded.
    """

    width: int
    is_time: NDArray[np.bool_] | bool = False
    rows: int = 0
    missing: NDArray[np.int64] = field(init=False)
    lowest: NDArray[np.float64] = field(init=False)
    highest: NDArray[np.float64] = field(init=False)
    rounding: NDArray[np.float64] = field(init=False)  # by float32, at most
    first: NDArray[np.float64] | None = None  # sums are of what lies beyond it
    total: NDArray[np.float64] = field(init=False)
    squares: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.missing = np.zeros(self.width, np.int64)
        self.lowest, self.highest = np.full(self.width, np.inf), np.full(self.width, -np.inf)
        self.rounding, self.total, self.squares = np.zeros((3, self.width))

    def add(self, block: NDArray[Any], values: NDArray[np.floating[Any]]) -> None:
        """Look at a block as it came and as it is written."""
        if not len(block):
            return
        self.rows += len(block)
        missing = np.isnan(values).sum(axis=0)
        self.missing += missing
        exact = block if block.dtype.kind == "f" else block.astype(np.float64)
        self.lowest = np.fmin(self.lowest, np.fmin.reduce(exact, axis=0, initial=np.inf))
        self.highest = np.fmax(self.highest, np.fmax.reduce(exact, axis=0, initial=-np.inf))
        if exact.dtype.itemsize > values.dtype.itemsize:
            rounding = np.fmax.reduce(np.abs(exact - values), axis=0, initial=0.0)
            self.rounding = np.fmax(self.rounding, rounding)
        if self.first is None:
            self.first = np.nan_to_num(exact[0])
        # Squares beyond float64 belong to values beyond float32.
        with np.errstate(over="ignore", invalid="ignore"):
            centred = exact - self.first
            if missing.any():
                centred[np.isnan(centred)] = 0
            self.total += centred.sum(axis=0, dtype=np.float64)
            self.squares += np.einsum("ij,ij->j", centred, centred, dtype=np.float64)

    @property
    def is_constant(self) -> NDArray[np.bool_]:
        """Whether a column has one value only."""
        constant: NDArray[np.bool_] = self.lowest == self.highest
        return constant

    @property
    def loses_precision(self) -> NDArray[np.bool_]:
        """Whether float32 rounds a time, or another column by more than matters for its spread."""
        count = np.maximum(self.rows - self.missing, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            variance = np.maximum(self.squares / count - (self.total / count) ** 2, 0.0)
            loses: NDArray[np.bool_] = self.rounding > MAX_ROUNDING * np.sqrt(variance)
        return np.isinf(self.rounding) | (loses & ~self.is_constant) | self._is_rounded_time

    @property
    def counts_rows(self) -> NDArray[np.bool_]:
        """Whether a column holds the numbers from one to another, each once, as ids do: by its moments."""
        if self.rows < MIN_IDS or self.first is None:
            return np.zeros(self.width, bool)
        with np.errstate(over="ignore", invalid="ignore"):
            middle = (self.lowest + self.highest) / 2
            mean = self.first + self.total / self.rows
            variance = self.squares / self.rows - (self.total / self.rows) ** 2
            is_even = np.isclose(mean, middle, rtol=0, atol=1e-3) & np.isclose(
                variance, (self.rows**2 - 1) / 12, rtol=1e-6, atol=0
            )
            is_whole = np.floor(self.lowest) == self.lowest
        found: NDArray[np.bool_] = (
            is_even & is_whole & (self.highest - self.lowest == self.rows - 1) & (self.missing == 0)
        )
        return found

    @property
    def rounds_times(self) -> bool:
        """Whether float32 rounds a time, which no further rows will mend."""
        return bool(self._is_rounded_time.any())

    @property
    def _is_rounded_time(self) -> NDArray[np.bool_]:
        return self.is_time & (self.rounding > 0)


def warnings_of(columns: Sequence[str], statistics: Statistics) -> tuple[Warned, ...]:
    """Say which columns miss values, have one only, or may be ids."""
    found: list[Warned] = []
    rows = statistics.rows
    counts, constant = statistics.missing.tolist(), statistics.is_constant.tolist()
    numbering = (statistics.counts_rows & ~np.asarray(statistics.is_time)).tolist()
    for name, count, is_constant, is_id in zip(columns, counts, constant, numbering, strict=True):
        if count == rows:
            detail = f"{name!r} has no value at all; it is set aside while learning"
            found.append(Warned("empty_column", detail, name, count))
        elif count:
            detail = f"{name!r} misses {count} of {rows} values; they are filled in"
            found.append(Warned("missing_values", detail, name, count))
        if is_constant:
            detail = f"{name!r} has one value only; it is set aside while learning"
            found.append(Warned("constant_column", detail, name))
        if is_id:
            detail = (
                f"{name!r} counts the rows, as an id does; if it is one, give it the type key, or exclude it"
            )
            found.append(Warned("id_column", detail, name))
    return tuple(found)
