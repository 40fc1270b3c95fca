"""Which columns the core computes with for each feature: one for a number, one for each value of a category.

A categorical feature stands in a table as the index of its value; what is learnt from is whether each of its
values is the one.

Letters: N rows, D features, C columns, V most values of a feature.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from catvq.features.precision import Values

NUMBER = -1  # in `value`: the column is the number itself


@dataclass(frozen=True, eq=False)
class FeatureColumns:
    """The columns of each feature of a table, those of one feature side by side.

    Args:
        num_values: int64 [D], how many values each feature has; 0 for a number.
    """

    num_values: NDArray[np.int64]

    @cached_property
    def feature(self) -> NDArray[np.int64]:
        """The feature of each column, int64 [C], ascending."""
        return np.repeat(np.arange(len(self.num_values)), np.maximum(self.num_values, 1))

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """The first column of each feature, int64 [D]."""
        return np.searchsorted(self.feature, np.arange(len(self.num_values))).astype(np.int64)

    @cached_property
    def value(self) -> NDArray[np.int64]:
        """The value that each column tells of, int64 [C]; NUMBER where there are none."""
        within = np.arange(len(self.feature)) - self.first[self.feature]
        return np.where(self.is_indicator, within, NUMBER)

    @cached_property
    def is_indicator(self) -> NDArray[np.bool_]:
        """Whether each column tells of a value, bool [C]."""
        found: NDArray[np.bool_] = self.num_values[self.feature] > 0
        return found

    @property
    def has_values(self) -> bool:
        """Whether any feature is categorical."""
        return bool((self.num_values > 0).any())

    @cached_property
    def slots(self) -> NDArray[np.int64]:
        """The column of each value of each categorical feature, int64 [features, V]; C where it has fewer."""
        categorical = np.flatnonzero(self.num_values)
        place = np.arange(self.num_values.max(initial=0))
        is_real = place < self.num_values[categorical, None]
        return np.where(is_real, self.first[categorical, None] + place, len(self.feature))

    def expand(self, values: Values) -> Values:
        """From features to columns, [N, D] -> [N, C] of the same type.

        Indicators are 0 or 1; all of a feature are NaN where it is missing, or is no index of a value.
        """
        if not self.has_values:
            return values
        known = np.where(self.is_missing(values), np.nan, values)[:, self.feature]
        indicator = np.where(np.isnan(known), np.nan, known == self.value)
        expanded: Values = np.where(self.is_indicator, indicator, known).astype(values.dtype, copy=False)
        return expanded

    def is_missing(self, values: Values) -> NDArray[np.bool_]:
        """Which cells are missing, or no index of a value of their feature, bool [N, D]."""
        is_index = (values >= 0) & (values < self.num_values) & (np.floor(values) == values)
        found: NDArray[np.bool_] = np.where(self.num_values > 0, ~is_index, np.isnan(values))
        return found

    def collapse(self, columns: Values) -> Values:
        """From columns to features, [N, C] -> [N, D]: of a categorical one the value with the largest column.

        The lower index wins a tie.
        """
        if not self.has_values:
            return columns
        features = columns[:, self.first]
        padded = np.concatenate([columns, np.full((len(columns), 1), -np.inf, columns.dtype)], axis=1)
        features[:, self.num_values > 0] = padded[:, self.slots].argmax(axis=2)
        return features
