"""Finds categorical features that tell the same as another one, by values of other names.

Letters: S sampled rows, F categorical features.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MISSING = -1
# Of the shares of two features' values, sorted, summed up: features that tell the same differ by less.
MOST_DIFFERENCE = 0.05


@dataclass(frozen=True)
class EqualValues:
    """A feature that repeats an earlier one.

    Attributes:
        feature: Index of the feature.
        representative: Index of the earlier feature, which is kept.
        value_of: The value of the feature for each value of the earlier one.
    """

    feature: int
    representative: int
    value_of: dict[int, int]


def find_equal_values(
    values: NDArray[np.int64], threshold: float, families: NDArray[np.int64] | None = None
) -> Iterator[EqualValues]:
    """Yield each feature that is associated with an earlier kept one by more than the threshold.

    The association is Cramér's V, with missing as a value of its own; values and missing have to belong to
    each other one to one.

    Source: Cramér 1946, "Mathematical methods of statistics", section 21.9.

    Args:
        values: Index of each value, MISSING where there is none, int64 [S, F].
        threshold: From 0 to 1; at 1 nothing repeats.
        families: The family of each feature [F]; when given, features of one family alone are compared.
    """
    profiles = [np.unique(column, return_inverse=True, return_counts=True) for column in values.T]
    kept: list[int] = []
    for feature in range(len(profiles)):
        for earlier in kept:
            if families is not None and families[feature] != families[earlier]:
                continue
            pairs = _pairs(profiles[earlier], profiles[feature], threshold)
            if pairs is not None:
                yield EqualValues(feature, earlier, pairs)
                break
        else:
            kept.append(feature)


def _pairs(
    one: Sequence[NDArray[np.int64]], other: Sequence[NDArray[np.int64]], threshold: float
) -> dict[int, int] | None:
    """Values of one feature to those of another, without missing; None where they tell different things."""
    (names, index, counts), (other_names, other_index, other_counts) = one, other
    number, rows = len(names), len(index)
    if number != len(other_names) or number < 2:
        return None
    if np.abs(np.sort(counts) - np.sort(other_counts)).sum() > MOST_DIFFERENCE * rows:
        return None
    table = np.bincount(index * number + other_index, minlength=number**2).reshape(number, number)
    chi_squared = (np.square(table) / np.outer(counts, other_counts)).sum() - 1
    if min(np.sqrt(max(chi_squared, 0) / (number - 1)), 1.0) <= threshold:
        return None
    pairs = dict(zip(names.tolist(), other_names[table.argmax(axis=1)].tolist(), strict=True))
    if len(set(pairs.values())) < number or pairs.pop(MISSING, MISSING) != MISSING:
        return None
    return pairs
