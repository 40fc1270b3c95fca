"""Statistics over the cells that are there, for tables in which others are missing (NaN).

Features of one laboratory panel go missing together: any value put in their place would make them look alike.

Letters: N rows, D features, K columns for each feature.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

LEAST_ROWS = 8  # that two features have in common; of fewer nothing is believed
LEAST_DEVIATION = 1e-5  # of normalised values: below it is rounding


@dataclass(frozen=True)
class Presence:
    """Which cells of a table are there.

    Attributes:
        cells: bool [N, D].
        rows: float64 [D, D], in how many rows both of two features are there; on the diagonal those of one.
    """

    cells: NDArray[np.bool_]
    rows: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float32]) -> Self | None:
        """Of values [N, D]; None where nothing is missing."""
        cells = ~np.isnan(values)
        if cells.all():
            return None
        as_numbers = cells.astype(np.float32)
        return cls(cells, (as_numbers.T @ as_numbers).astype(np.float64))

    @property
    def typical_rows(self) -> float:
        """Rows that two features have in common: the harmonic mean over all pairs, since variances add up."""
        count = len(self.rows)
        pairs = self.rows[~np.eye(count, dtype=bool)]
        return float(1 / np.mean(1 / np.maximum(pairs, LEAST_ROWS))) if count > 1 else float(self.rows.sum())

    def correlation(self, columns: NDArray[np.float32]) -> NDArray[np.float64]:
        """Correlations over the rows that two features have in common, positive semi-definite.

        Pairs of features see different rows, so that together their correlations may be impossible: all are
        shrunk by what it takes.

        Args:
            columns: Of mean 0 and variance 1, or all 0, over the cells that are there, 0 elsewhere, [N, D K].

        Returns:
            [D K, D K], with a diagonal of 1.
        """
        repeats = columns.shape[1] // len(self.rows)
        products = (columns.T @ columns).astype(np.float64)
        rows = np.repeat(np.repeat(self.rows, repeats, axis=0), repeats, axis=1)
        found: NDArray[np.float64] = np.where(rows >= LEAST_ROWS, products / np.maximum(rows, 1), 0)
        np.fill_diagonal(found, 1)
        least = float(np.linalg.eigvalsh(found)[0])
        if least < 0:
            found /= 1 - least
            np.fill_diagonal(found, 1)
        return found

    def shuffled(self, columns: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same columns [N, D, K], each feature's rows in another order among those where it is there."""
        rng = np.random.default_rng(0)
        mixed = columns.copy()
        for feature, is_there in enumerate(self.cells.T):
            mixed[is_there, feature] = rng.permutation(columns[is_there, feature])
        return mixed


def standardised(values: NDArray[np.float32], presence: Presence | None) -> NDArray[np.float32]:
    """Mean 0 and variance 1 over the cells that are there, 0 elsewhere; without gaps just the values."""
    if presence is None:
        return values
    filled = np.where(presence.cells, values, 0)
    number = np.maximum(np.diag(presence.rows), 1)
    filled -= (filled.sum(axis=0, dtype=np.float64) / number).astype(np.float32)
    filled[~presence.cells] = 0
    deviation = np.sqrt(np.square(filled).sum(axis=0, dtype=np.float64) / number)
    filled /= np.where(deviation > LEAST_DEVIATION, deviation, np.inf).astype(np.float32)
    return filled
