"""Writes rows as a stream of any format, holding a part of them at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.formats import PICTURE_FORMATS, Format
from app.pictures.drawing import Drawing, note, number
from app.pictures.heat_map import draw_assignment
from app.pictures.render import render
from app.tables.write import npy_header, to_json

PART_BYTES = 4 << 20


@dataclass(frozen=True)
class Rows:
    """Numbers that may be too many to be written at once.

    Args:
        names: Of the columns.
        count: How many rows there are.
        parts: Floats [some rows, columns], one after the other; NaN is missing.
        dtype: Of the parts.
        values_of: Names of the values of categorical columns, whose cells are indices; NPY keeps the indices.
        origins: From when columns of times count their seconds; NPY keeps the seconds.
        head: What JSON says before the rows.
        list_name: What JSON calls them.
        keys: Columns of text for each row, which come first in CSV, Arrow and Parquet.
        is_known: Whether there are numbers yet; until then JSON says null.
    """

    names: Sequence[str]
    count: int
    parts: Iterable[NDArray[np.floating[Any]]]
    dtype: str = "<f4"
    values_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    head: Mapping[str, Any] = field(default_factory=dict)
    list_name: str = "rows"
    keys: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    is_known: bool = True


def cut_rows(path: Path) -> Iterator[NDArray[np.floating[Any]]]:
    """Yield parts of the rows in an NPY file."""
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    return cut(values, values.shape[1])


def cut(values: NDArray[Any], width: int) -> Iterator[NDArray[Any]]:
    """Yield parts of rows that are small, also once they have become rows of another width."""
    step = rows_per_part(width)
    return (values[start : start + step] for start in range(0, len(values), step))


def rows_per_part(width: int) -> int:
    """Return how many rows are written at a time."""
    return max(1, PART_BYTES // (4 * max(1, width)))


def stream_rows(rows: Rows, file_format: Format) -> Iterator[bytes]:
    """Yield the pieces of a file."""
    if file_format is Format.JSON:
        return _json_pieces(rows)
    if file_format is Format.NPY:
        header = npy_header(rows.dtype, (rows.count, len(rows.names)))
        return chain([header], (np.asarray(part, rows.dtype).tobytes() for part in rows.parts))
    if file_format in PICTURE_FORMATS:
        return iter([render(_draw(rows), file_format)])
    # Loaded on its first use: most processes only ever speak JSON and NPY.
    pieces: Iterator[bytes] = import_module("app.tables.arrow_writer").stream_columns(rows, file_format)
    return pieces


def _draw(rows: Rows) -> Drawing:
    """Draw labelled rows of shares as an assignment."""
    if not rows.is_known or not rows.keys:
        return note("no assignment yet")
    said = {name: rows.head[name] for name in ("model", "epoch", "temperature") if rows.head.get(name)}
    title = ", ".join(f"{name} {number(value)}" if name != "model" else value for name, value in said.items())
    labels = next(iter(rows.keys.values()))
    return draw_assignment(labels, rows.names, np.concatenate(list(rows.parts)), title)


def _json_pieces(rows: Rows) -> Iterator[bytes]:
    if not rows.is_known:
        yield to_json({**rows.head, rows.list_name: None})
        return
    yield to_json({**rows.head, rows.list_name: []})[:-2]
    separator = b""
    for part in rows.parts:
        is_typed = rows.values_of or rows.origins
        cells = _typed(rows, part) if is_typed else np.ascontiguousarray(part)
        yield separator + to_json(cells)[1:-1]
        separator = b","
    yield b"]}"


def _typed(rows: Rows, part: NDArray[np.floating[Any]]) -> list[list[Any]]:
    """Return rows in which categorical cells and times are text."""
    cells: list[list[Any]] = part.tolist()
    for place, name in enumerate(rows.names):
        if origin := rows.origins.get(name):
            times = import_module("app.tables.columns.times")
            texts = times.write_text(times.write_times(part[:, place], origin))
            for row, text in zip(cells, texts.to_pylist(), strict=True):
                row[place] = text
        if (values := rows.values_of.get(name)) is not None:
            for row in cells:
                row[place] = None if np.isnan(row[place]) else values[int(row[place])]
    return cells
