"""Cuts rows to encode into request bodies, and reads NPY responses."""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from catvq_client.errors import UnexpectedAnswerError
from catvq_client.records import Model
from catvq_client.tables.bodies import (
    Array,
    ArrowLike,
    DataFrameLike,
    Table,
    arrow_body,
    arrow_table,
    frame_values,
    names_of_labels,
    table_body,
)
from catvq_client.tables.body import Body
from catvq_client.tables.families import PARTS, count_values, has_channels

ROWS_PER_REQUEST = 16_384  # well below any service's limit; larger requests gain no speed
VALUES_PER_REQUEST = 4_000_000  # of series and grids


def names_of(rows: Table, columns: Sequence[str] | None) -> Sequence[str] | None:
    """Return the names of columns in memory; None if there are none, or the service is to read them."""
    if columns is not None or isinstance(rows, str | Path | Mapping):
        return columns
    if isinstance(rows, DataFrameLike):
        return [str(label) for label in rows.columns]
    return arrow_table(rows).column_names if isinstance(rows, ArrowLike) else names_of_labels(rows)


def row_bodies(rows: Table, names: Sequence[str] | None, model: Model | None) -> Iterator[Body]:
    """Yield a body for each request.

    Numbers go as arrays, in the order of the model's features where their names are known. What is no
    number, or means something else in an array, goes as Arrow, without columns that the model does not have.

    Args:
        rows: As for an upload.
        names: As `names_of` returns them.
        model: Whose rows they are; needed where there are names.

    Raises:
        CatvqError: The rows cannot be sent.
    """
    if isinstance(rows, str | Path):
        yield table_body(rows)
    elif isinstance(rows, Mapping):
        yield from _family_bodies(rows)
    elif names is None or model is None:
        values = np.asanyarray(rows)
        for part in _parts(len(values) if values.ndim else 0):
            yield table_body(values[part])
    else:
        yield from _named_bodies(rows, names, model)


def _family_bodies(rows: Mapping[str, Any]) -> Iterator[Body]:
    count = max((len(cells) for cells in rows.values()), default=0)
    if any(name.endswith(PARTS) for name in rows):  # the arrays of a file, which have no common rows
        yield table_body(rows)
        return
    step = ROWS_PER_REQUEST
    if has_channels(rows) and count:
        step = max(1, min(step, VALUES_PER_REQUEST * count // max(1, count_values(rows))))
    for part in _parts(count, step):
        yield table_body({name: cells[part] for name, cells in rows.items()})


def _named_bodies(rows: Any, names: Sequence[str], model: Model) -> Iterator[Body]:
    order = _order_of(names, model.features)
    is_frame = isinstance(rows, DataFrameLike | ArrowLike)
    if not is_frame:
        values = np.asanyarray(rows)
        for part in _parts(len(values)):
            yield table_body(values[part], names) if order is None else table_body(values[part][:, order])
    elif order is not None and model.is_plain and _is_of_numbers(rows, order):
        for part in _parts(len(rows)):
            yield table_body(frame_values(rows.iloc[part, order]))
    else:
        whole = arrow_table(rows)
        whole = whole.select([name for name in names if name in set(model.features)])
        for part in _parts(whole.num_rows):
            yield arrow_body(whole.slice(part.start, ROWS_PER_REQUEST))


def _is_of_numbers(rows: Any, columns: list[int]) -> bool:
    """Whether columns of a frame, of pandas, hold numbers and truth values."""
    return hasattr(rows, "iloc") and all(rows.dtypes.iloc[index].kind in "biuf" for index in columns)


def _parts(count: int, step: int = ROWS_PER_REQUEST) -> Iterator[slice]:
    """Yield where each part of rows is; one where there are none, for the service to refuse."""
    for start in range(0, max(count, 1), step):
        yield slice(start, start + step)


def _order_of(names: Sequence[str], features: Sequence[str]) -> list[int] | None:
    """Return the position of each feature in `names`; None if names are missing or repeated."""
    position = {name: index for index, name in enumerate(names)}
    if len(position) < len(names) or not position.keys() >= set(features):
        return None
    return [position[name] for name in features]


def read_npy(content: bytes) -> Array:
    """Parse an NPY response.

    Raises:
        UnexpectedAnswerError: It is not an NPY array.
    """
    try:
        array: Array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UnexpectedAnswerError(f"expected an NPY array: {error}") from error
    return array
