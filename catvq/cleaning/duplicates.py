"""Finds features that repeat another feature, up to sign and scale.

Letters: S sampled rows, D features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 512  # features compared at once: bounds the correlations in memory to BLOCK x D


@dataclass(frozen=True)
class Duplicates:
    """For each feature, the kept feature that stands for it and how to rebuild it from that one.

    A feature that is kept stands for itself: slope 1, intercept 0.
    """

    representative: NDArray[np.int64]
    slope: NDArray[np.float64]
    intercept: NDArray[np.float64]


def find_duplicates(
    values: NDArray[np.float32], threshold: float, *, families: NDArray[np.int64] | None = None
) -> Duplicates:
    """Keep the first of each set of features that repeat one another.

    A later feature whose |Pearson correlation| with a kept one exceeds the threshold is a duplicate
    of the kept feature it correlates with most, and follows it by least squares. A feature that does
    not vary over the given rows repeats nothing.

    Args:
        values: Cleaned rows without missing values [S, D].
        threshold: From 0 to 1; at 1 nothing is a duplicate.
        families: The family of each feature [D]; when given, duplicates stay within a family.
    """
    columns = np.ascontiguousarray(values.T, dtype=np.float32)  # [D, S]: a feature is one run of memory
    mean = columns.mean(axis=1, dtype=np.float64)
    columns -= mean[:, None].astype(np.float32)
    norm = np.sqrt(np.einsum("ds,ds->d", columns, columns, dtype=np.float64))
    columns /= np.where(norm > 0, norm, 1).astype(np.float32)[:, None]

    count = len(columns)
    representative = np.arange(count)
    correlation = np.ones(count)
    is_kept = np.ones(count, dtype=bool)
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        block = columns[start:stop] @ columns[:stop].T
        for feature in range(start, stop):
            candidate = is_kept[:feature]
            if families is not None:
                candidate = candidate & (families[:feature] == families[feature])
            row = np.where(candidate, block[feature - start, :feature], 0)
            best = int(np.abs(row).argmax()) if feature else 0
            if feature and min(abs(row[best]), 1.0) > threshold:
                is_kept[feature] = False
                representative[feature] = best
                correlation[feature] = np.clip(row[best], -1, 1)

    of = representative
    slope = np.where(is_kept, 1.0, correlation * norm / np.where(norm[of] > 0, norm[of], 1))
    intercept = np.where(is_kept, 0.0, mean - slope * mean[of])
    return Duplicates(representative=of, slope=slope, intercept=intercept)
