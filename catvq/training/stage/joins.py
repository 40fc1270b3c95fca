"""Joins surplus categories of a run, and names what became part of what.

Shapes: D' active features.
"""

import numpy as np
from numpy.typing import NDArray

from catvq.config import RunConfig
from catvq.grouping.categories import Categories
from catvq.grouping.choose_initial import feature_covariance, telling_bits
from catvq.grouping.merging import Join, join_cheapest
from catvq.model.assignment import CategoryAssignment


class Joiner:
    """Joins the categories that are described together at the least cost.

    Args:
        config: The run's configuration.
        categories: Where the assignment starts.
        rows: How many train.
    """

    def __init__(self, config: RunConfig, categories: Categories, *, rows: int) -> None:
        lasting = len(categories.names) - config.assignment.surplus_categories
        bits = telling_bits(config, categories, rows=rows)
        self._bits_per_feature = bits * lasting / len(categories.grouping)
        self._names = categories.names
        self._seed = config.training.seed

    def join(
        self, assignment: CategoryAssignment, scores: NDArray[np.float32], *, number: int, epoch: int
    ) -> list[Join]:
        """Join pairs of categories, one after the other.

        Args:
            assignment: Changed in place.
            scores: Training rows with a number for each feature [rows, D'].
            number: Of joins.
            epoch: Completed epochs.
        """
        covariance, found = feature_covariance(scores, seed=self._seed), []
        for _ in range(number):
            gone, into = join_cheapest(assignment, covariance, bits_per_feature=self._bits_per_feature)
            found.append(Join(self._names[gone], self._names[into], epoch))
        return found
