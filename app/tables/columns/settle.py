"""Decides what each column of a frame is: by what was said of it, by its type, or by a look at its cells."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from app.problems import InvalidError, Place, together
from app.tables.columns.feature_reader import FeatureReader
from app.tables.columns.frame import STORED_INDEX, Columns, Frame, left_out_remark
from app.tables.columns.options import Kind, ReadOptions, check_types_are_of
from app.tables.columns.survey import MAX_VALUES, Decision, TextSurvey
from app.tables.columns.text_cells import as_text, is_text, read_cells
from app.tables.columns.times import first_time, read_seconds
from app.tables.table import AS_ASKED, LeftOut, Table, Warned

HINT = "say what stands for missing cells with na_values=, or what the column is with types="
NO_TIME = "1970-01-01T00:00:00"  # the origin of a column without any
FEATURES = {"numeric", "categorical", "datetime"}


def settle(frame: Frame, options: ReadOptions) -> Table:
    """Decide what each column of a frame is.

    Raises:
        InvalidError: A column is of another type than was said, or some of its cells are no numbers.
    """
    if options.known is not None:
        return _settle_known(frame, options, options.known)
    asked = _asked(frame, options)
    wanted, left_out = _wanted(frame, options, asked)
    seen = _look(frame, wanted, asked, options)
    decisions = {name: _decide(name, frame, asked, seen.surveys.get(name)) for name in wanted}
    _check(seen, decisions, frame)
    left_out += [LeftOut(name, str(d.reason)) for name, d in decisions.items() if d.kind == "ignore"]
    kinds = {name: decision.kind for name, decision in decisions.items() if decision.kind in FEATURES}
    values_of = {
        name: tuple(sorted(seen.surveys.get(name, TextSurvey()).values or ()))
        for name, kind in kinds.items()
        if kind == "categorical"
    }
    origins = {name: seen.origins.get(name, NO_TIME) for name, kind in kinds.items() if kind == "datetime"}
    remarks = [left_out_remark(column) for column in left_out if column.reason != AS_ASKED]
    return Table(
        columns=tuple(kinds),
        blocks=FeatureReader(frame, options, kinds, values_of, origins).blocks,
        has_names=True,
        values_of=values_of,
        origins=origins,
        keys={name: pa.chunked_array(parts, pa.string()) for name, parts in seen.keys.items()},
        left_out=tuple(left_out),
        line_of=frame.line_of,
        remarks=(*frame.remarks, *remarks, *_remarks(decisions, seen.surveys)),
    )


def settle_numbers(table: Table, options: ReadOptions) -> Table:
    """Apply what was said of columns to a table of numbers.

    Raises:
        InvalidError: A column is of another type than was said.
    """

    def batches(wanted: Sequence[str]) -> Iterator[Columns]:
        position = {name: index for index, name in enumerate(table.columns)}
        for block in table.blocks():
            kind = np.dtype(np.float64) if block.dtype.kind == "f" else block.dtype.newbyteorder("=")
            yield {name: pa.array(block[:, position[name]].astype(kind)) for name in wanted}

    frame = Frame(table.columns, batches, numbers=frozenset(table.columns))
    settled = settle(frame, options)
    return replace(
        settled,
        has_names=table.has_names,
        family_widths=_kept_widths(table, settled.columns),
        channels=table.channels,
        left_out=(*table.left_out, *settled.left_out),
        remarks=(*table.remarks, *settled.remarks),
    )


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
    """Read the features that are known, in the file's order, and keys; what else is there stays unread."""
    kinds: dict[str, Kind] = {
        name: "datetime" if name in options.origins else "numeric" if known[name] is None else "categorical"
        for name in frame.names
        if name in known
    }
    values_of = {name: values for name in kinds if (values := known[name]) is not None}
    missing = [name for name in options.types if name not in set(frame.names)]
    if missing:
        faults = [Place(detail="no such column", field="keys", column=name) for name in missing]
        raise InvalidError(f"keys= names {missing[0]!r}, which is no column of the rows", faults)
    seen = _look(frame, list(options.types), options.types, options)
    if seen.errors:
        raise together(list(seen.errors.values()))
    return Table(
        columns=tuple(kinds),
        blocks=FeatureReader(frame, options, kinds, values_of, options.origins).blocks,
        has_names=True,
        values_of=values_of,
        keys={name: pa.chunked_array(parts, pa.string()) for name, parts in seen.keys.items()},
        line_of=frame.line_of,
    )


def _asked(frame: Frame, options: ReadOptions) -> dict[str, Kind]:
    """Return the types that were given to columns, also by way of the lists whose places they are.

    Raises:
        InvalidError: A type is for a column that is not there, or cannot be read.
    """
    unread = {column.name: column.reason for column in frame.left_out}
    check_types_are_of([*frame.names, *frame.lists.values(), *unread], options.types)
    faults = [
        Place(detail=unread[name], field="types", column=name)
        for name, kind in options.types.items()
        if name in unread and kind != "ignore"
    ]
    if faults:
        raise InvalidError(f"column {faults[0].column!r}: {faults[0].detail}", faults, code="not_numeric")
    by_list = {name: options.types[lists] for name, lists in frame.lists.items() if lists in options.types}
    return {**by_list, **options.types}


def _wanted(frame: Frame, options: ReadOptions, asked: Mapping[str, Kind]) -> tuple[list[str], list[LeftOut]]:
    """Return the columns to look at, and those that are left out at once."""
    left_out = list(frame.left_out)
    unread = {column.name for column in left_out}
    wanted: list[str] = []
    for name in frame.names:
        if name in unread:
            continue
        kind = asked.get(name)
        lists = [frame.lists[name]] if name in frame.lists else []
        if name in frame.indices and kind is None:
            left_out.append(LeftOut(name, STORED_INDEX))
        elif kind == "ignore" or not (kind == "key" or options.is_wanted(name, *lists)):
            left_out.append(LeftOut(name, AS_ASKED))
        else:
            wanted.append(name)
    return wanted, left_out


@dataclass
class _Seen:
    """What a look at the cells of some columns told, by column."""

    surveys: dict[str, TextSurvey] = field(default_factory=dict)
    keys: dict[str, list[pa.Array]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    errors: dict[str, InvalidError] = field(default_factory=dict)

    def look_at(
        self, name: str, array: pa.Array, kind: Kind | None, rows_before: int, options: ReadOptions
    ) -> None:
        """Look at the next cells of a column.

        Args:
            kind: What it was said to be.

        Raises:
            InvalidError: A cell is none of that kind.
        """
        if kind == "key":
            self.keys[name].append(as_text(name, array))
        elif kind == "datetime":
            read_seconds(name, array, options, rows_before)
            if name not in self.origins and (origin := first_time(array, options)):
                self.origins[name] = origin
        elif kind == "categorical" or is_text(array.type):
            cells = read_cells(as_text(name, array), options)
            self.surveys.setdefault(name, TextSurvey()).add(cells)


def _look(frame: Frame, wanted: Sequence[str], asked: Mapping[str, Kind], options: ReadOptions) -> _Seen:
    """Look once at every cell that may be text; collect keys, and the first time of times."""
    keys = [name for name in wanted if asked.get(name) == "key"]
    seen = _Seen(keys={name: [] for name in keys})
    plain = {name for name in frame.numbers if asked.get(name, "numeric") == "numeric"}
    plain |= {name for name in frame.kinds if name not in asked}
    looked_at = [name for name in wanted if name not in plain]
    rows = 0
    for columns in frame.batches(looked_at) if looked_at else ():
        for name, array in columns.items():
            try:
                seen.look_at(name, array, asked.get(name), rows, options)
            except InvalidError as error:
                seen.errors.setdefault(name, error)
        rows += len(columns[looked_at[0]])
    return seen


def _decide(name: str, frame: Frame, asked: Mapping[str, Kind], survey: TextSurvey | None) -> Decision:
    if name in asked:
        return Decision(asked[name])
    if name in frame.kinds:
        return frame.kinds[name]
    return Decision("numeric") if survey is None else survey.decide()


def _check(seen: _Seen, decisions: Mapping[str, Decision], frame: Frame) -> None:
    """Raise one error that names every column that cannot be what it should be."""
    errors, faults = list(seen.errors.values()), list[Place]()
    for name, survey in seen.surveys.items():
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
        detail = f"column {first.column!r}: {first.detail}; {HINT}"
        errors.append(InvalidError(detail, faults, code="not_numeric"))
    if errors:
        raise together(errors)


def _remarks(decisions: Mapping[str, Decision], surveys: Mapping[str, TextSurvey]) -> Iterator[Warned]:
    for name, decision in decisions.items():
        if decision.reason is not None and decision.kind != "ignore":
            detail = f"{name!r}: {decision.reason}; to leave it out, give it the type ignore"
            yield Warned("categorical", detail, name)
    for name, survey in surveys.items():
        words = {word: count for word, count in survey.missing.items() if word}
        if words:
            listed = ", ".join(f"{word!r} {count} times" for word, count in sorted(words.items())[:10])
            detail = f"{name!r} has words that are read as missing: {listed}"
            yield Warned("missing_words", detail, name, sum(words.values()))
