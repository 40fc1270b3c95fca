"""Tables whose columns may hold anything: decides what each column is, and reads the features as numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from app.problems import MAX_PLACES, InvalidError, Place
from app.tables.options import Kind, ReadOptions, check_types_are_of
from app.tables.survey import MAX_VALUES, Decision, TextSurvey, shorten
from app.tables.table import LeftOut, Table, Warned, rows_per_block
from app.tables.text_cells import read_cells

HINT = "say what stands for missing cells with na_values=, or what the column is with types="
Columns = Mapping[str, pa.Array]


@dataclass(frozen=True)
class Frame:
    """Columns as a file has them.

    Args:
        names: Of all columns.
        batches: Reads the cells of some of them, part after part, anew with each call.
        kinds: What columns are whose type says it, such as dates; the others hold numbers or text.
        left_out: Columns that cannot be read, or are a stored index.
        line_of: The line of a row in a text file; rows count from 1.
        remarks: What is odd about the file although it can be read.
    """

    names: tuple[str, ...]
    batches: Callable[[Sequence[str]], Iterator[Columns]]
    kinds: Mapping[str, Decision] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    line_of: Callable[[int], int] | None = None
    remarks: tuple[Warned, ...] = ()


def settle(frame: Frame, options: ReadOptions) -> Table:
    """Decide what each column of a frame is.

    Raises:
        InvalidError: A column is of another type than was said, or some of its cells are no numbers.
    """
    if options.known is not None:
        return _settle_known(frame, options, options.known)
    check_types_are_of(frame.names, options.types)
    hidden = {column.name for column in frame.left_out}
    names = [name for name in frame.names if name not in hidden]
    wanted = [name for name in names if options.types.get(name) == "key" or options.is_wanted(name)]
    wanted = [name for name in wanted if options.types.get(name) != "ignore"]
    left_out = [LeftOut(name, "as asked") for name in names if name not in set(wanted)]
    surveys, keys, first_times = _survey(frame, wanted, options)
    decisions = {name: _decide(name, frame, options, surveys.get(name)) for name in wanted}
    _check(surveys, decisions, frame)
    left_out += [LeftOut(name, str(d.reason)) for name, d in decisions.items() if d.kind == "ignore"]
    values_of = {
        name: tuple(sorted(surveys[name].values or ()))
        for name, decision in decisions.items()
        if decision.kind == "categorical"
    }
    features = [name for name, d in decisions.items() if d.kind in {"numeric", "categorical", "datetime"}]
    reader = _Reader(frame, options, features, decisions, values_of, first_times)
    return Table(
        columns=tuple(features),
        blocks=reader.blocks,
        has_names=True,
        values_of=values_of,
        times=frozenset(name for name, decision in decisions.items() if decision.kind == "datetime"),
        keys=keys,
        left_out=(*frame.left_out, *left_out),
        line_of=frame.line_of,
        remarks=(*frame.remarks, *_remarks(frame, decisions, surveys)),
    )


def settle_numbers(table: Table, options: ReadOptions) -> Table:
    """Apply what was said of columns to a table of numbers.

    Raises:
        InvalidError: A column is of another type than was said.
    """

    def batches(wanted: Sequence[str]) -> Iterator[Columns]:
        position = {name: index for index, name in enumerate(table.columns)}
        for block in table.blocks():
            yield {name: pa.array(block[:, position[name]].astype(np.float64)) for name in wanted}

    settled = settle(Frame(table.columns, batches, left_out=table.left_out, remarks=table.remarks), options)
    return replace(settled, has_names=table.has_names, family_widths=_kept_widths(table, settled.columns))


def _kept_widths(table: Table, kept: tuple[str, ...]) -> dict[str, int] | None:
    """Return how many features of each family are left."""
    if table.family_widths is None:
        return None
    widths, start, names = {}, 0, set(kept)
    for family, width in table.family_widths.items():
        widths[family] = len(names.intersection(table.columns[start : start + width]))
        start += width
    return {family: width for family, width in widths.items() if width}


def _settle_known(frame: Frame, options: ReadOptions, known: Mapping[str, tuple[str, ...] | None]) -> Table:
    """Read the features that are known, in the file's order; what else is there stays unread."""
    features = [name for name in frame.names if name in known]
    decisions: dict[str, Decision] = {
        name: Decision("numeric" if known[name] is None else "categorical") for name in features
    }
    values_of = {name: values for name in features if (values := known[name]) is not None}
    reader = _Reader(frame, options, features, decisions, values_of, {})
    return Table(tuple(features), reader.blocks, has_names=True, line_of=frame.line_of)


def _survey(
    frame: Frame, wanted: Sequence[str], options: ReadOptions
) -> tuple[dict[str, TextSurvey], dict[str, pa.ChunkedArray], dict[str, float]]:
    """Look at every cell of text once; collect keys, and the first value of times."""
    surveys: dict[str, TextSurvey] = {}
    keys: dict[str, list[pa.Array]] = {name: [] for name in wanted if options.types.get(name) == "key"}
    first_times: dict[str, float] = {}
    for columns in frame.batches(wanted):
        for name, array in columns.items():
            if name in keys:
                keys[name].append(array.cast(pa.string()))
            elif is_text(array.type):
                surveys.setdefault(name, TextSurvey()).add(read_cells(array, options))
            if options.types.get(name) == "datetime" and name not in first_times:
                seconds = _seconds(name, array)
                present = seconds[~np.isnan(seconds)]
                if len(present):
                    first_times[name] = float(present[0])
    return surveys, {name: pa.chunked_array(parts, pa.string()) for name, parts in keys.items()}, first_times


def _decide(name: str, frame: Frame, options: ReadOptions, survey: TextSurvey | None) -> Decision:
    asked = options.types.get(name)
    if asked is not None:
        return Decision(asked)
    if name in frame.kinds:
        return frame.kinds[name]
    return Decision("numeric") if survey is None else survey.decide()


def _check(
    surveys: Mapping[str, TextSurvey],
    decisions: Mapping[str, Decision],
    frame: Frame,
) -> None:
    """Raise one error that names every column that cannot be what it should be."""
    faults: list[Place] = []
    for name, survey in surveys.items():
        kind = decisions[name].kind
        if kind == "numeric" and survey.num_others:
            row = survey.others[0][0]
            line = frame.line_of(row) if frame.line_of and not faults else None
            faults.append(Place(detail=survey.describe_others(), column=name, row=row, line=line))
        elif kind == "categorical" and survey.values is None:
            detail = f"more than {MAX_VALUES} different values, which is more than a category may have"
            faults.append(Place(detail=detail, column=name))
    if faults:
        first = faults[0]
        raise InvalidError(f"column {first.column!r}: {first.detail}; {HINT}", faults, code="not_numeric")


def _remarks(
    frame: Frame, decisions: Mapping[str, Decision], surveys: Mapping[str, TextSurvey]
) -> Iterator[Warned]:
    for column in frame.left_out:
        yield Warned("left_out", f"{column.name!r} is left out: {column.reason}", column.name)
    for name, decision in decisions.items():
        if decision.reason is None:
            continue
        if decision.kind == "ignore":
            yield Warned("left_out", f"{name!r} is left out: {decision.reason}", name)
        else:
            detail = f"{name!r}: {decision.reason}; to leave it out, give it the type ignore"
            yield Warned("categorical", detail, name)
    for name, survey in surveys.items():
        words = {word: count for word, count in survey.missing.items() if word}
        if words and name in decisions:
            listed = ", ".join(f"{word!r} {count} times" for word, count in sorted(words.items())[:10])
            detail = f"{name!r} has words that are read as missing: {listed}"
            yield Warned("missing_words", detail, name, sum(words.values()))


def as_array(cells: Sequence[object]) -> pa.Array:
    """Return cells of JSON as an array: of numbers where all are, else of text."""
    if not any(isinstance(cell, str) for cell in cells):
        return pa.array(np.array(cells, np.float64), from_pandas=True)
    return pa.array(
        [cell if cell is None or isinstance(cell, str) else str(cell) for cell in cells], pa.string()
    )


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text."""
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


@dataclass(frozen=True)
class _Reader:
    frame: Frame
    options: ReadOptions
    features: Sequence[str]
    decisions: Mapping[str, Decision]
    values_of: Mapping[str, tuple[str, ...]]
    first_times: Mapping[str, float]

    def blocks(self) -> Iterator[NDArray[np.float64]]:
        """Read the features, float64 [rows of the block, features]."""
        row = 0
        step = rows_per_block(len(self.features))
        for columns in self.frame.batches(self.features):
            rows = len(next(iter(columns.values()))) if columns else 0
            for start in range(0, rows, step):
                parts = [self._numbers(name, columns[name].slice(start, step), row) for name in self.features]
                yield np.column_stack(parts)
                row += len(parts[0])

    def _numbers(self, name: str, array: pa.Array, rows_before: int) -> NDArray[np.float64]:
        kind: Kind = self.decisions[name].kind
        if kind == "datetime":
            return _seconds(name, array) - self.first_times.get(name, 0.0)
        if not is_text(array.type):
            numbers = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            return self._without_missing(numbers)
        cells = read_cells(array, self.options)
        if kind == "categorical":
            index = pc.index_in(cells.text, value_set=pa.array(self.values_of[name], pa.string()))
            found: NDArray[np.float64] = index.cast(pa.float64()).to_numpy(zero_copy_only=False)
            return np.where(cells.is_missing, np.nan, found)
        if cells.is_other.any():
            raise self._not_numbers(name, cells.text, np.flatnonzero(cells.is_other), rows_before)
        return cells.numbers

    def _without_missing(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        for number in self.options.missing_numbers:
            numbers = np.where(numbers == number, np.nan, numbers)
        return numbers

    def _not_numbers(
        self, name: str, text: pa.Array, found: NDArray[np.int64], rows_before: int
    ) -> InvalidError:
        places = [
            Place(
                detail=f"{shorten(text[row].as_py())} is not a number", column=name, row=rows_before + row + 1
            )
            for row in found[:MAX_PLACES].tolist()
        ]
        first = places[0]
        return InvalidError(f"column {name!r}, row {first.row}: {first.detail}", places, code="not_numeric")


def _seconds(name: str, array: pa.Array) -> NDArray[np.float64]:
    """Return times as seconds, float64; a time of day counts from midnight, NaN is missing.

    Raises:
        InvalidError: A text is no time as ISO 8601 has it.
    """
    try:
        if is_text(array.type):
            array = pc.if_else(pc.equal(pc.utf8_trim(array, " "), ""), pa.scalar(None, array.type), array)
        kind = pa.time64("us") if types.is_time(array.type) else pa.timestamp("us")
        numbers = _without_zone(array).cast(kind, safe=False).cast(pa.int64())
        microseconds: NDArray[np.float64] = numbers.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return microseconds / 1e6
    except pa.ArrowInvalid as error:
        detail = f"not a time such as 2026-01-31 or 2026-01-31 12:30:00: {str(error)[:100]}"
        place = Place(detail=detail, column=name)
        raise InvalidError(f"column {name!r}: {detail}", [place], code="not_a_time") from None


def _without_zone(array: pa.Array) -> pa.Array:
    if is_text(array.type):
        return pc.replace_substring_regex(array, r"\s*Z$", "")
    return array
