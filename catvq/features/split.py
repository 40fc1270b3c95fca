"""Which rows of a table train, which choices may look at, and which no choice has seen.

Shapes: N rows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from catvq.config import HeldOutPart, TrainingSettings
from catvq.errors import ConfigError
from catvq.features.row_weights import Weights
from catvq.recipe import MIN_TRAINING_ROWS, count_rows


@dataclass(frozen=True)
class RowSplit:
    """Row indices, int64, sorted: what trains, what choices may look at, and what no choice has seen."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def split_rows(
    training: TrainingSettings,
    rows: int,
    keys: Mapping[str, NDArray[np.object_]] = MappingProxyType({}),
    held_out: Collection[HeldOutPart] = (),
) -> RowSplit:
    """Split rows at random, or by a key; the same seed and rows give the same split.

    Args:
        training: Says how large the parts are, and by which key to split.
        rows: N.
        keys: The keys of the table, text [N] each.
        held_out: Parts that get none of the rows.

    Raises:
        ConfigError: Fewer than MIN_TRAINING_ROWS remain for training, or there is no such key.
    """
    key = training.split_key
    counts = count_rows(training, rows, dict.fromkeys(held_out, 0))
    if counts.train < MIN_TRAINING_ROWS:
        raise ConfigError(f"{rows} rows leave fewer than {MIN_TRAINING_ROWS} for training")
    if key is not None and key not in keys:
        raise ConfigError(f"the table has no key {key!r} to split by")
    random = np.random.default_rng([training.seed, 0])
    cuts = [counts.test, counts.test + counts.validation]
    if training.split_by_order_of is not None:
        order = _sort(keys[training.split_by_order_of])[::-1]
    elif training.split_by is not None:
        order, cuts = _shuffle_groups(keys[training.split_by], cuts, random)
    else:
        order = random.permutation(rows)
    test, validation, train = np.split(order, cuts)
    if len(train) < MIN_TRAINING_ROWS:
        raise ConfigError(f"the groups of {key!r} leave fewer than {MIN_TRAINING_ROWS} rows for training")
    return RowSplit(np.sort(train), np.sort(validation), np.sort(test))


def with_weight(split: RowSplit, weights: Weights) -> RowSplit:
    """The same without rows of weight 0.

    Raises:
        ConfigError: Too few training rows are left.
    """
    train, validation, test = (
        rows[weights[rows] > 0] for rows in (split.train, split.validation, split.test)
    )
    if len(train) < MIN_TRAINING_ROWS:
        raise ConfigError(f"{len(train)} training rows have a weight, fewer than {MIN_TRAINING_ROWS}")
    return RowSplit(train, validation, test)


def _sort(key: NDArray[np.object_]) -> NDArray[np.int64]:
    """Return the order of a key's cells: of numbers by value, of others as text; missing ones come first."""
    numbers = (-np.inf if cell is None else float(cell) for cell in key)
    try:
        return np.argsort(np.fromiter(numbers, np.float64, len(key)), kind="stable")
    except ValueError:
        return np.argsort(_rank(key), kind="stable")


def _rank(key: NDArray[np.object_]) -> NDArray[np.int64]:
    """Return the rank of each cell among all that differ, as text; missing ones have the lowest."""
    texts = ("" if cell is None else str(cell) for cell in key)
    rank = {text: number for number, text in enumerate(sorted({*texts}))}
    return np.fromiter((rank["" if cell is None else str(cell)] for cell in key), np.int64, len(key))


def _shuffle_groups(
    key: NDArray[np.object_], cuts: list[int], random: np.random.Generator
) -> tuple[NDArray[np.int64], list[int]]:
    """Shuffle the groups of rows with equal cells, and move cuts to where a group ends."""
    group = _rank(key)
    sizes = np.bincount(group)
    shuffled = random.permutation(len(sizes))
    place = np.empty_like(shuffled)
    place[shuffled] = np.arange(len(sizes))
    ends = np.concatenate([[0], np.cumsum(sizes[shuffled])])
    moved = [int(ends[np.abs(ends - cut).argmin()]) for cut in cuts]
    return np.argsort(place[group], kind="stable"), moved


def draw_sample(rows: NDArray[np.int64], most: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Return the rows as they are, or so many of them in random order: its first ones are a sample, too.

    What is learnt of a sample does not grow with its table.
    """
    return rows if len(rows) <= most else np.random.default_rng(seed).permutation(rows)[:most]
