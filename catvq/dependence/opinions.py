"""Chooses between groupings that different views of the same dependence suggest.

Dependence given all other features sees categories through a factor common to all. But it cuts a long chain
apart, whose features are tied only to their neighbours, rather than leave a small category alone, and of a
hierarchy it shows the lowest level only. Pairs that are not significant, left out, make no bridges between
chains. Dependence with other features left aside reaches further along a chain, and shows the upper levels.

Letters: D features, G categories.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catvq.dependence.spectral import SpectralEmbedding, separation

# In separation of either kind. Right opinions on planted chains and hierarchies gained 0.01 to 0.9 and lost
# 0.011 at most; where the first opinion was right, others gained 0.008 at most or lost 0.3 of the first kind.
MAY_LOSE = 0.013
MUST_GAIN = 0.01
# Of another opinion. Where everything depends on everything, what it gains says nothing: it made the start of
# handwritten digits worse.
LEAST_SEPARATION = 0.9


@dataclass(frozen=True)
class Views:
    """Affinities of the same features, [D, D], symmetric, from 0 to 1, diagonal 0.

    Attributes:
        conditional: Dependence given all other features.
        significant: The same without the pairs that are not significant by themselves.
        marginal: Dependence with other features left aside.
        strong: The same without what is weak.
    """

    conditional: NDArray[np.float64]
    significant: NDArray[np.float64]
    marginal: NDArray[np.float64]
    strong: NDArray[np.float64]

    def separation(self, grouping: NDArray[np.int64]) -> float:
        """How much dependence lies within categories: conditional dependence or, if that is more, strong."""
        return max(separation(self.conditional, grouping), separation(self.strong, grouping))

    def best_grouping(self, num_categories: int) -> NDArray[np.int64]:
        """Cluster the conditional view, unless the clusters of another explain it as well, and more besides.

        Another opinion counts where it keeps as much of the conditional and of the marginal dependence within
        its categories, and nearly all of one; what keeps most in all is taken if it is clearly more. A view
        that is wrong loses by the other: marginal dependence where all features have a factor in common, say.

        Args:
            num_categories: G, at least 2.

        Returns:
            The category of each feature, int64 [D]; none is empty.
        """
        opinions = [
            SpectralEmbedding.of(view, num_categories).grouping(num_categories)
            for view in (self.conditional, self.significant, self.marginal, self.strong)
        ]
        kept = np.array(
            [
                [separation(view, grouping) for view in (self.conditional, self.marginal)]
                for grouping in opinions
            ]
        )
        gain = kept - kept[0]
        is_clear = np.array([self.separation(grouping) >= LEAST_SEPARATION for grouping in opinions])
        total = np.where(is_clear & (gain >= -MAY_LOSE).all(axis=1), gain.sum(axis=1), 0)
        return opinions[int(total.argmax()) if total.max() >= MUST_GAIN else 0]
