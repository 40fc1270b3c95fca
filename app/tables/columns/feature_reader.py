"""Reads the features of a frame as numbers, once it is known what each of them is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.problems import MAX_PLACES, InvalidError, Place, together
from app.tables.columns.frame import Frame
from app.tables.columns.options import Kind, ReadOptions
from app.tables.columns.text_cells import as_text, is_number, is_text, read_cells, shorten
from app.tables.columns.times import first_time, is_clock, read_seconds, seconds_of
from app.tables.table import rows_per_block


@dataclass(frozen=True)
class FeatureReader:
    """Reads features, block by block.

    Args:
        kinds: Of the features, in their order.
        values_of: The values of each categorical one.
        origins: From when each one of the kind datetime counts its seconds.
    """

    frame: Frame
    options: ReadOptions
    kinds: Mapping[str, Kind]
    values_of: Mapping[str, tuple[str, ...]]
    origins: Mapping[str, str]

    @cached_property
    def _starts(self) -> dict[str, float]:
        """The origins in seconds."""
        return {name: seconds_of(origin) for name, origin in self.origins.items()}

    def blocks(self) -> Iterator[NDArray[np.float64]]:
        """Read the features, float64 [rows of the block, features].

        Raises:
            InvalidError: A cell is not of the feature's kind.
        """
        row = 0
        features = list(self.kinds)
        step = rows_per_block(len(features))
        for columns in self.frame.batches(features):
            rows = len(next(iter(columns.values()))) if columns else 0
            for start in range(0, rows, step):
                cells = {name: columns[name].slice(start, step) for name in features}
                yield self._block(cells, row)
                row += len(cells[features[0]])

    def _block(self, columns: Mapping[str, pa.Array], rows_before: int) -> NDArray[np.float64]:
        parts: list[NDArray[np.float64]] = []
        errors: list[InvalidError] = []
        for name, array in columns.items():
            try:
                parts.append(self._numbers(name, array, rows_before))
            except InvalidError as error:
                errors.append(error)
        if errors:
            raise together(errors)
        return np.column_stack(parts)

    def _numbers(self, name: str, array: pa.Array, rows_before: int) -> NDArray[np.float64]:
        kind = self.kinds[name]
        if kind == "datetime":
            return self._seconds(name, array, rows_before)
        if kind == "categorical":
            return self._indices(name, array)
        if not is_text(array.type):
            return self._as_they_are(name, array)
        cells = read_cells(array, self.options)
        if cells.is_other.any():
            raise self._not_numbers(name, cells.text, np.flatnonzero(cells.is_other), rows_before)
        return cells.numbers

    def _seconds(self, name: str, array: pa.Array, rows_before: int) -> NDArray[np.float64]:
        """Read times; of a known feature also numbers, which are seconds since its origin."""
        if is_number(array.type) and self.options.known is not None:
            return _to_floats(array)
        numbers = np.full(len(array), np.nan)
        if is_text(array.type) and self.options.known is not None:
            cells = read_cells(array, self.options)
            numbers = cells.numbers
            array = pc.if_else(cells.is_other, cells.text, pa.scalar(None, pa.string()))
        seconds = read_seconds(name, array, self.options, rows_before) - self._starts[name]
        first = None if self.options.known is None else first_time(array, self.options)
        if first is not None and is_clock(first) != is_clock(self.origins[name]):
            detail = f"{first} and {self.origins[name]} are a day and a time of day"
            place = Place(detail=detail, column=name)
            raise InvalidError(f"column {name!r}: {detail}", [place], code="not_a_time")
        return np.where(np.isnan(seconds), numbers, seconds)

    def _indices(self, name: str, array: pa.Array) -> NDArray[np.float64]:
        cells = read_cells(as_text(name, array), self.options)
        index = pc.index_in(cells.text, value_set=pa.array(self.values_of[name], pa.string()))
        found: NDArray[np.float64] = index.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return np.where(cells.is_missing, np.nan, found)

    def _as_they_are(self, name: str, array: pa.Array) -> NDArray[np.float64]:
        if not is_number(array.type):
            place = Place(detail=f"it holds {array.type}, not numbers", column=name)
            raise InvalidError(f"column {name!r}: {place.detail}", [place], code="not_numeric")
        numbers = _to_floats(array)
        for number in self.options.missing_numbers:
            numbers = np.where(numbers == number, np.nan, numbers)
        return numbers

    def _not_numbers(
        self, name: str, text: pa.Array, found: NDArray[np.int64], rows_before: int
    ) -> InvalidError:
        places: list[Place] = []
        for index in found[:MAX_PLACES].tolist():
            row = rows_before + index + 1
            line = self.frame.line_of(row) if self.frame.line_of and not places else None
            detail = f"{shorten(text[index].as_py())} is not a number"
            places.append(Place(detail=detail, column=name, row=row, line=line))
        first = places[0]
        return InvalidError(f"column {name!r}, row {first.row}: {first.detail}", places, code="not_numeric")


def _to_floats(array: pa.Array) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers
