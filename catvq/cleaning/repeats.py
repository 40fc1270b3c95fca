"""Which columns repeat other ones, whatever their features are, and how to rebuild them from those.

Letters: N rows, D uploaded features, R numbers that a row of theirs has, C columns, C' active ones.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catvq.cleaning.duplicates import find_duplicates
from catvq.cleaning.equal_channels import find_equal_channels
from catvq.cleaning.equal_values import MISSING, find_equal_values
from catvq.cleaning.kept_columns import CONSTANT, KeptColumns
from catvq.features.precision import Values


@dataclass(frozen=True, eq=False)
class Repeats:
    """The column that each column stands on, and the line by which it follows it.

    Attributes:
        representative: As in `KeptColumns`, [C].
        slope: Of a column over its representative, both normalised, [C].
        intercept: Of the same line, [C].
    """

    representative: NDArray[np.int64]
    slope: Values
    intercept: Values

    def add_numbers(
        self,
        kept: KeptColumns,
        normalized: NDArray[np.float32],
        threshold: float,
        families: NDArray[np.int64] | None,
    ) -> None:
        """Add the active numbers that repeat another one over normalised rows, [N, C']."""
        is_number = kept.columns.is_alone[kept.active_columns]
        numbers = kept.active_columns[is_number]
        family = None if families is None else families[kept.columns.feature[numbers]]
        found = find_duplicates(normalized[:, is_number], threshold, families=family)
        self.representative[numbers] = numbers[found.representative]
        self.slope[numbers], self.intercept[numbers] = found.slope, found.intercept

    def add_channels(
        self,
        kept: KeptColumns,
        normalized: NDArray[np.float32],
        threshold: float,
        families: NDArray[np.int64] | None,
    ) -> None:
        """Add the active channels all of whose descriptors repeat another one's over normalised rows."""
        active, columns = kept.active_columns, kept.columns
        chosen = kept.active[kept.is_channel]
        own = [np.flatnonzero(columns.feature[active] == feature) for feature in chosen]
        scope = np.zeros(len(kept.num_values), dtype=np.int64) if families is None else families
        keys = [
            (int(scope[feature]), *(active[places] - columns.first[feature]).tolist())
            for feature, places in zip(chosen, own, strict=True)
        ]
        for found in find_equal_channels([normalized[:, places] for places in own], keys, threshold):
            repeating = active[own[found.channel]]
            self.representative[repeating] = active[own[found.representative]]
            self.slope[repeating], self.intercept[repeating] = found.slope, found.intercept

    def add_categorical(
        self,
        kept: KeptColumns,
        sample: Values,
        threshold: float,
        families: NDArray[np.int64] | None,
        *,
        centre: Values,
        scale: Values,
    ) -> None:
        """Add the active categorical features that repeat another one over raw rows, [N, R].

        Args:
            kept: What is active.
            sample: The rows.
            threshold: See `find_equal_values`.
            families: Of each feature [D]; None where any may repeat any.
            centre: Of each column, [C].
            scale: Of each column, [C].
        """
        columns = kept.columns
        chosen = kept.active[(kept.num_values[kept.active] > 0) & (kept.gapped[kept.active] == 0)]
        numbers = np.searchsorted(columns.feature_of_number, chosen)
        is_missing = columns.is_missing(sample)[:, numbers]
        values = np.where(is_missing, MISSING, sample[:, numbers]).astype(np.int64)
        family = None if families is None else families[chosen]
        for found in find_equal_values(values, threshold, family):
            own, other = columns.first[chosen[[found.feature, found.representative]]]
            # A value that was not sampled stands on nothing.
            self.representative[columns.feature == chosen[found.feature]] = CONSTANT
            for of, value in found.value_of.items():
                column, stands_on = own + value, other + of
                self.representative[column] = stands_on
                self.slope[column] = scale[stands_on] / scale[column]
                self.intercept[column] = (centre[stands_on] - centre[column]) / scale[column]
