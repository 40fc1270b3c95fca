"""Which columns the core computes with for each feature.

One for a number, one for each value of a category, one for each descriptor of a channel; and, where missing
values matter, one more that tells whether the value is missing.

A categorical feature stands in a table as the index of its value; what is learnt from is whether each of its
values is the one. A channel stands there as its descriptors.

Letters: N rows, D features, R numbers that a row has in a table, C columns, V most values of a feature.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from catvq.features.precision import Values

MISSING_FROM = 0.5  # of what tells whether a value is missing, 0 or 1: above it a decoded one is
NUMBER = -1  # in `value`: the column is the number itself


@dataclass(frozen=True, eq=False)
class FeatureColumns:
    """The columns of each feature of a table, those of one feature side by side.

    Args:
        num_values: int64 [D], how many values each feature has; 0 for a number and for a channel.
        num_descriptors: int64 [D], how many descriptors each feature has; 0 where it is no channel.
        gapped: int64 [D], 1 where a feature's last column tells whether it is missing; no channel's does.
    """

    num_values: NDArray[np.int64]
    num_descriptors: NDArray[np.int64]
    gapped: NDArray[np.int64]

    @classmethod
    def tabular(cls, num_values: NDArray[np.int64]) -> "FeatureColumns":
        """No feature is a channel."""
        return cls(num_values, np.zeros_like(num_values), np.zeros_like(num_values))

    @cached_property
    def feature(self) -> NDArray[np.int64]:
        """The feature of each column, int64 [C], ascending."""
        sizes = np.maximum(np.maximum(self.num_values, self.num_descriptors), 1) + self.gapped
        return np.repeat(np.arange(len(self.num_values)), sizes)

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """The first column of each feature, int64 [D]."""
        return np.searchsorted(self.feature, np.arange(len(self.num_values))).astype(np.int64)

    @cached_property
    def feature_of_number(self) -> NDArray[np.int64]:
        """The feature of each number of a table, int64 [R], ascending."""
        return np.repeat(np.arange(len(self.num_values)), np.maximum(self.num_descriptors, 1))

    @cached_property
    def number(self) -> NDArray[np.int64]:
        """The number that each column comes from, int64 [C], ascending."""
        is_first = np.ones(len(self.feature), dtype=bool)
        is_first[1:] = (self.feature[1:] != self.feature[:-1]) | self.is_descriptor[1:]
        return np.cumsum(is_first) - 1

    @cached_property
    def value(self) -> NDArray[np.int64]:
        """The value that each column tells of, int64 [C]; NUMBER where there are none."""
        within = np.arange(len(self.feature)) - self.first[self.feature]
        return np.where(self.is_indicator, within, NUMBER)

    @cached_property
    def is_indicator(self) -> NDArray[np.bool_]:
        """Whether each column tells of a value, bool [C]."""
        found: NDArray[np.bool_] = (self.num_values[self.feature] > 0) & ~self.is_gap
        return found

    @cached_property
    def is_gap(self) -> NDArray[np.bool_]:
        """Whether each column tells that its feature is missing, bool [C]."""
        is_last = np.append(self.feature[1:] != self.feature[:-1], True)
        found: NDArray[np.bool_] = is_last & (self.gapped[self.feature] > 0)
        return found

    @cached_property
    def is_descriptor(self) -> NDArray[np.bool_]:
        """Whether each column is a descriptor of a channel, bool [C]."""
        found: NDArray[np.bool_] = self.num_descriptors[self.feature] > 0
        return found

    @cached_property
    def is_alone(self) -> NDArray[np.bool_]:
        """Whether each column is a feature, a number, bool [C]."""
        found: NDArray[np.bool_] = ~self.is_indicator & ~self.is_descriptor & (self.gapped[self.feature] == 0)
        return found

    @property
    def has_values(self) -> bool:
        """Whether any feature is categorical."""
        return bool((self.num_values > 0).any())

    @property
    def is_expanded(self) -> bool:
        """Whether any columns are other than the numbers that they come from."""
        return self.has_values or bool(self.gapped.any())

    @property
    def is_plain(self) -> bool:
        """Whether every feature is a number."""
        return len(self.feature) == len(self.num_values)

    @cached_property
    def slots(self) -> NDArray[np.int64]:
        """The column of each value of each categorical feature, int64 [features, V]; C where it has fewer."""
        categorical = np.flatnonzero(self.num_values)
        place = np.arange(self.num_values.max(initial=0))
        is_real = place < self.num_values[categorical, None]
        return np.where(is_real, self.first[categorical, None] + place, len(self.feature))

    def expand(self, values: Values) -> Values:
        """From the numbers of a table to columns, [N, R] -> [N, C] of the same type.

        Indicators are 0 or 1; all of a feature are NaN where it is missing, or is no index of a value, but
        for the one that tells so.
        """
        if not self.is_expanded:
            return values
        known = np.where(self.is_missing(values), np.nan, values)[:, self.number]
        indicator = np.where(np.isnan(known), np.nan, known == self.value)
        expanded = np.where(self.is_gap, np.isnan(known), np.where(self.is_indicator, indicator, known))
        found: Values = expanded.astype(values.dtype, copy=False)
        return found

    def is_missing(self, values: Values) -> NDArray[np.bool_]:
        """Which numbers are missing, or no index of a value of their feature, bool [N, R]."""
        num_values = self.num_values[self.feature_of_number]
        is_index = (values >= 0) & (values < num_values) & (np.floor(values) == values)
        found: NDArray[np.bool_] = np.where(num_values > 0, ~is_index, np.isnan(values))
        return found

    def collapse(self, columns: Values) -> Values:
        """From columns to the numbers of a table, [N, C] -> [N, R]: the value with the largest column.

        The lower index wins a tie. NaN where the column that tells of missing values is above MISSING_FROM.
        """
        if not self.is_expanded:
            return columns
        numbers = columns[:, self.first_of_number]
        padded = np.concatenate([columns, np.full((len(columns), 1), -np.inf, columns.dtype)], axis=1)
        if self.has_values:
            numbers[:, self.is_index] = padded[:, self.slots].argmax(axis=2)
        numbers[padded[:, self.gap_of_number] > MISSING_FROM] = np.nan
        return numbers

    @cached_property
    def gap_of_number(self) -> NDArray[np.int64]:
        """The column that tells whether each number is missing, int64 [R]; C where there is none."""
        found = np.full(len(self.feature_of_number), len(self.feature))
        found[self.number[self.is_gap]] = np.flatnonzero(self.is_gap)
        return found

    @cached_property
    def first_of_number(self) -> NDArray[np.int64]:
        """The first column that comes from each number, int64 [R]."""
        count = len(self.feature_of_number)
        return np.searchsorted(self.number, np.arange(count)).astype(np.int64)

    @cached_property
    def is_index(self) -> NDArray[np.bool_]:
        """Whether each number is the index of a value, bool [R]."""
        found: NDArray[np.bool_] = self.num_values[self.feature_of_number] > 0
        return found
