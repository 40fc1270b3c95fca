"""Rows on their way to the service, and arrays on their way back."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from catvq_client.bodies import Array, DataFrameLike, frame_values
from catvq_client.errors import UnexpectedAnswerError

ROWS_PER_REQUEST = 16_384  # well below any service's limit; larger requests gain no speed

Rows = Array | DataFrameLike


def names_of(rows: Rows, columns: Sequence[str] | None) -> Sequence[str] | None:
    """Return the names of the columns, where they have any."""
    return [str(label) for label in rows.columns] if isinstance(rows, DataFrameLike) else columns


def order_of(names: Sequence[str], features: Sequence[str]) -> list[int] | None:
    """Return where each feature is among the names; None where that is for the service to judge."""
    position = {name: index for index, name in enumerate(names)}
    if len(position) < len(names) or not position.keys() >= set(features):
        return None
    return [position[name] for name in features]


def parts_of(rows: Rows) -> list[Rows]:
    """Cut rows into what one request takes."""
    if isinstance(rows, DataFrameLike):
        table: Any = rows.iloc  # type: ignore[attr-defined]
        count = len(rows)  # type: ignore[arg-type]
    else:
        table = np.asarray(rows)
        count = table.shape[0] if table.ndim else 0
    starts = range(0, max(count, 1), ROWS_PER_REQUEST)  # no rows at all: let the service say so
    return [table[start : start + ROWS_PER_REQUEST] for start in starts]


def in_order(rows: Rows, order: list[int]) -> Array:
    """Return an array of some of the columns."""
    return (frame_values(rows) if isinstance(rows, DataFrameLike) else np.asarray(rows))[:, order]


def read_npy(content: bytes) -> Array:
    """Read an answer that is an array.

    Raises:
        UnexpectedAnswerError: It is none.
    """
    try:
        array: Array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError) as error:
        raise UnexpectedAnswerError(f"expected an NPY array: {error}") from error
    return array
