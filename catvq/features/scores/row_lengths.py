"""How long the series of each row are, and what that alone tells of their descriptors.

Letters: N rows, D' active features, C' their columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from catvq.errors import ShapeError
from catvq.features.sequences import Sequences, Series
from catvq.features.table import FeatureTable

POWERS = 4  # of the logarithm of a length, that of a constant among them


@dataclass(frozen=True)
class RowLengths:
    """The lengths of all rows, by family of series.

    Attributes:
        of_family: int64 [N] for each family.
        family_of_feature: Which of them each active feature's is, int64 [D']; -1 where it is no series.
    """

    of_family: Sequence[NDArray[np.int64]]
    family_of_feature: NDArray[np.int64]

    @classmethod
    def of(cls, table: FeatureTable, active: NDArray[np.int64]) -> Self:
        """Those of a table's rows, of all its parts.

        Args:
            table: The table.
            active: Its active features, int64 [D'].
        """
        of_family = {
            family: np.concatenate([_lengths(part.others[family]) for part in table.parts])
            for family, other in table.others.items()
            if isinstance(other, Series)
        }
        number = {name: place for place, family in enumerate(of_family) for name in table.families[family]}
        return cls(
            list(of_family.values()),
            np.array([number.get(table.features[feature], -1) for feature in active], dtype=np.int64),
        )

    def select(self, rows: NDArray[np.int64]) -> Self:
        """Those of some rows."""
        return replace(self, of_family=[lengths[rows] for lengths in self.of_family])

    def take_out(
        self, columns: NDArray[np.float32], feature: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Take out of each descriptor what the length of its row tells of it, in place.

        The largest value of a longer series is larger, and a lag beyond the length is 0: all channels of a
        family have that in common, whatever they show. Taken out is the regression on powers of the length's
        logarithm.

        Args:
            columns: Normalised, NaN where missing [rows, C'].
            feature: The feature of each column, int64 [C'].
            rows: Which rows of the table they are.

        Returns:
            The same columns.
        """
        for number in np.flatnonzero(self.family_of_feature >= 0).tolist():
            length = np.log1p(self.of_family[self.family_of_feature[number]][rows])
            own = np.flatnonzero(feature == number)
            is_there = np.flatnonzero(~np.isnan(columns[:, own]).any(axis=1))
            length = length[is_there]
            if not len(length) or np.ptp(length) == 0:
                continue
            powers = np.vander((length - length.mean()) / length.std(), POWERS)
            found = columns[np.ix_(is_there, own)]
            weights = np.linalg.lstsq(powers, found, rcond=None)[0]
            columns[np.ix_(is_there, own)] = found - powers @ weights
        return columns


def _lengths(sequences: Sequences) -> NDArray[np.int64]:
    if not isinstance(sequences, Series):
        raise ShapeError("a family is of series in one part of a table and of grids in another")
    return sequences.lengths
