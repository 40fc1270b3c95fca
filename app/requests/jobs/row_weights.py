"""Checks the weights that a job would give to rows, before it is accepted."""

import math
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.requests.jobs.validation import FieldError
from worker.store import DatasetRecord, NotFound, Store

FIELD = "training.sample_weight"
ROWS_AT_ONCE = 2**16  # bounds the memory of cells
WANTED = "a weight is a number of at least 0"


def find_wrong_weights(store: Store, name: str | None, datasets: Sequence[DatasetRecord]) -> list[FieldError]:
    """Say what is wrong with the weights of rows.

    Args:
        store: Where the values are.
        name: The column of weights; None where all rows weigh the same.
        datasets: That the job uses; those in which the column is neither a key nor a number are passed over.
    """
    if name is None:
        return []
    each = {dataset.id: dataset for dataset in datasets}.values()
    return [fault for dataset in each for fault in _faults(store, name, dataset)]


def _faults(store: Store, name: str, dataset: DatasetRecord) -> Iterator[FieldError]:
    rows, wrong, has_weight = 0, 0, False
    first: tuple[int, Any] | None = None
    try:
        for weights, cells in _blocks(store, name, dataset):
            places = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
            if len(places) and first is None:
                first = rows + int(places[0]), cells[int(places[0])]
            rows, wrong = rows + len(cells), wrong + len(places)
            has_weight |= bool(weights.any())
    except FileNotFoundError:  # deleted a moment ago
        raise NotFound("dataset", dataset.id) from None
    at = f"{name!r} of the dataset {dataset.id}"
    if first is not None:
        row, cell = first
        shown = "is missing" if cell in {None, ""} else f"is {cell!r:.40}"
        lacking = f"1 row of {rows} lacks" if wrong == 1 else f"{wrong} of {rows} rows lack"
        yield FieldError(FIELD, f"{at} {shown} in row {row + 1}; {WANTED}, which {lacking}", row + 1)
    elif rows and not has_weight:
        yield FieldError(FIELD, f"{at} is 0 in every row: nothing would be learnt from")


def _blocks(
    store: Store, name: str, dataset: DatasetRecord
) -> Iterator[tuple[NDArray[np.float64], Sequence[Any]]]:
    """Yield weights, NaN for what is none, and the cells that they are of."""
    types = {column["name"]: column["type"] for column in dataset.columns}
    if types.get(name) == "key":
        # Loaded on its first use, as most processes never need it.
        module = import_module("app.tables.store_keys")
        for cells in module.read_key(store.datasets.keys_path(dataset.id), name, rows_at_once=ROWS_AT_ONCE):
            yield np.array([_number(cell) for cell in cells], np.float64), cells
    elif name in dataset.features and name not in types:
        path, place = store.datasets.values_path(dataset.id), dataset.features.index(name)
        rows, width = np.load(path, mmap_mode="r", allow_pickle=False).shape
        for start in range(0, rows if place < width else 0, ROWS_AT_ONCE):
            values = np.load(path, mmap_mode="r", allow_pickle=False)  # anew, so that pages are let go
            weights = values[start : start + ROWS_AT_ONCE, place].astype(np.float64)
            yield weights, [None if math.isnan(cell) else cell for cell in weights.tolist()]


def _number(cell: str | float | None) -> float:
    try:
        return np.nan if cell is None else float(cell)
    except ValueError:
        return np.nan
