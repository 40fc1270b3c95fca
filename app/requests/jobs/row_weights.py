"""Checks the weights that a job would give to rows, before it is accepted."""

import math
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from app.requests.jobs.validation import FieldError
from worker.store import DatasetRecord, NotFound, Store

FIELD = "training.sample_weight"
MAX_BYTES = 256 << 20  # of values that a request looks through for one column; beyond, the worker finds out
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
    try:
        cells = _cells(store, name, dataset)
    except FileNotFoundError:  # deleted a moment ago
        raise NotFound("dataset", dataset.id) from None
    if cells is None:
        return
    weights = np.array([_number(cell) for cell in cells], np.float64)
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    at = f"{name!r} of the dataset {dataset.id}"
    if len(wrong):
        row = int(wrong[0])
        shown = "is missing" if cells[row] in {None, ""} else f"is {cells[row]!r:.40}"
        rows = (
            f"1 row of {len(weights)} lacks"
            if len(wrong) == 1
            else f"{len(wrong)} of {len(weights)} rows lack"
        )
        detail = f"{at} {shown} in row {row + 1}; {WANTED}, which {rows}"
        yield FieldError(FIELD, detail, row + 1)
    elif not weights.any():
        yield FieldError(FIELD, f"{at} is 0 in every row: nothing would be learnt from")


def _cells(store: Store, name: str, dataset: DatasetRecord) -> list[Any] | None:
    """Return numbers or texts, None for those that are missing; None where they cannot be had cheaply."""
    types = {column["name"]: column["type"] for column in dataset.columns}
    if types.get(name) == "key":
        # Loaded on its first use, as most processes never need it.
        keys = import_module("app.tables.store_keys").read_keys(store.datasets.keys_path(dataset.id), [name])
        cells: list[str | None] = keys[name]
        return cells
    if name not in dataset.features or name in types:
        return None
    place = dataset.features.index(name)
    values = np.load(store.datasets.values_path(dataset.id), mmap_mode="r", allow_pickle=False)
    if values.nbytes > MAX_BYTES or place >= values.shape[1]:
        return None
    return [None if math.isnan(cell) else cell for cell in values[:, place].tolist()]


def _number(cell: str | float | None) -> float:
    try:
        return np.nan if cell is None else float(cell)
    except ValueError:
        return np.nan
