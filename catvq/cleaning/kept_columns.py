"""Which columns of a table are learnt from, and which stand for the others.

Letters: D uploaded features, C their columns, D' active features (those that are kept), C' active columns.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from catvq.features.columns import FeatureColumns

Status = Literal["kept", "constant", "duplicate"]

CONSTANT = -1  # in `representative`: stands on no column at all


@dataclass(frozen=True, eq=False, kw_only=True)
class KeptColumns:
    """What of a table is kept. A feature is kept with all of its columns that vary, or with none.

    Args:
        num_values: Of each feature, int64 [D]; 0 where it is not categorical.
        num_descriptors: Of each feature, int64 [D]; 0 where it is no channel.
        gapped: int64 [D], 1 where a column of the feature tells whether it is missing.
        representative: The kept column that each column stands on, int64 [C]: itself when kept, another when
            a duplicate, -1 when constant.
    """

    num_values: NDArray[np.int64]
    num_descriptors: NDArray[np.int64]
    gapped: NDArray[np.int64]
    representative: NDArray[np.int64]

    @cached_property
    def columns(self) -> FeatureColumns:
        """The columns that the uploaded features become."""
        return FeatureColumns(self.num_values, self.num_descriptors, self.gapped)

    @cached_property
    def active_columns(self) -> NDArray[np.int64]:
        """The columns that are kept [C'], ascending."""
        return np.flatnonzero(self.representative == np.arange(len(self.representative)))

    @cached_property
    def active(self) -> NDArray[np.int64]:
        """The features that are kept [D'], ascending."""
        return np.unique(self.columns.feature[self.active_columns])

    @cached_property
    def is_channel(self) -> NDArray[np.bool_]:
        """Which of the active features are channels [D']."""
        found: NDArray[np.bool_] = self.num_descriptors[self.active] > 0
        return found

    @cached_property
    def is_gap(self) -> NDArray[np.bool_]:
        """Which of the active columns tell whether their feature is missing [C']."""
        found: NDArray[np.bool_] = self.columns.is_gap[self.active_columns]
        return found

    @cached_property
    def feature_of_column(self) -> NDArray[np.int64]:
        """Which of the active features each active column is of [C'], ascending."""
        return np.searchsorted(self.active, self.columns.feature[self.active_columns]).astype(np.int64)

    @cached_property
    def stands_on(self) -> NDArray[np.int64]:
        """The kept feature that each feature stands on [D], itself when kept; CONSTANT for a constant."""
        varying = np.flatnonzero(self.representative != CONSTANT)
        found = np.full(len(self.num_values), CONSTANT)
        # All varying columns of a feature stand on columns of one feature.
        found[self.columns.feature[varying]] = self.columns.feature[self.representative[varying]]
        return found

    @cached_property
    def position(self) -> NDArray[np.int64]:
        """Where among the active features each feature's representative is [D]; 0 for a constant."""
        stands_on = np.maximum(self.stands_on, self.active[0])
        return np.asarray(np.searchsorted(self.active, stands_on), dtype=np.int64)

    @cached_property
    def column_position(self) -> NDArray[np.int64]:
        """Where among the active columns each column's representative is [C]; 0 for a constant."""
        stands_on = np.maximum(self.representative, self.active_columns[0])
        return np.asarray(np.searchsorted(self.active_columns, stands_on), dtype=np.int64)

    def status(self, feature: int) -> Status:
        """Say what was done to one feature."""
        stands_on = self.stands_on[feature]
        if stands_on == feature:
            return "kept"
        return "constant" if stands_on == CONSTANT else "duplicate"
