"""Splits and reorders rows for encoding requests, and reads NPY responses."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from catvq_client.errors import UnexpectedAnswerError
from catvq_client.tables.bodies import Array, DataFrameLike, frame_values

ROWS_PER_REQUEST = 16_384  # well below any service's limit; larger requests gain no speed

Rows = Array | DataFrameLike


def names_of(rows: Rows, columns: Sequence[str] | None) -> Sequence[str] | None:
    """Return the names of the columns, None if there are none."""
    return [str(label) for label in rows.columns] if isinstance(rows, DataFrameLike) else columns


def order_of(names: Sequence[str], features: Sequence[str]) -> list[int] | None:
    """Return the position of each feature in `names`; None if names are missing or repeated."""
    position = {name: index for index, name in enumerate(names)}
    if len(position) < len(names) or not position.keys() >= set(features):
        return None
    return [position[name] for name in features]


def parts_of(rows: Rows) -> list[Rows]:
    """Split rows into parts for one request each."""
    if isinstance(rows, DataFrameLike):
        table: Any = rows.iloc  # type: ignore[attr-defined]
        count = len(rows)  # type: ignore[arg-type]
    else:
        table = np.asarray(rows)
        count = table.shape[0] if table.ndim else 0
    starts = range(0, max(count, 1), ROWS_PER_REQUEST)  # without rows, one request, which the service refuses
    return [table[start : start + ROWS_PER_REQUEST] for start in starts]


def in_order(rows: Rows, order: list[int]) -> Array:
    """Return columns in the given order as an array."""
    return (frame_values(rows) if isinstance(rows, DataFrameLike) else np.asarray(rows))[:, order]


def read_npy(content: bytes) -> Array:
    """Parse an NPY response.

    Raises:
        UnexpectedAnswerError: It is not an NPY array.
    """
    try:
        array: Array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError) as error:
        raise UnexpectedAnswerError(f"expected an NPY array: {error}") from error
    return array
