"""How far a grouping depends on the rows that it was found from.

Shapes: N rows, D' active features.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.compared import Stability
from catvq.config import RunConfig
from catvq.features.table import FeatureTable
from catvq.grouping.choose_initial import choose_start
from catvq.grouping.initial import start_categories

FOUND_STARTS = {"auto", "dependence", "clustering"}  # initial groupings that depend on the rows alone
RESAMPLES = 3


def resampled_agreement(
    table: FeatureTable,
    cleaner: FeatureCleaner,
    scores: NDArray[np.float32],
    config: RunConfig,
    grouping: NDArray[np.int64],
    *,
    should_stop: Callable[[], bool],
) -> Stability:
    """Find the initial grouping anew from random halves of the rows, and compare it with the model's.

    Args:
        table: The features and families of the run.
        cleaner: Fitted on the training rows.
        scores: Training rows with one number for each feature, float32 [N, D'].
        config: The run's, with one of `FOUND_STARTS`.
        grouping: The model's, int64 [D'].
        should_stop: Polled regularly.

    Raises:
        Interrupted: `should_stop` returned true.
    """
    rows, agreements = len(scores) // 2, []
    for resample in range(RESAMPLES):
        picks = np.random.default_rng([config.training.seed, 4, resample]).permutation(len(scores))[:rows]
        half = scores[np.sort(picks)]
        found = start_categories(table, cleaner, half, config, None)
        found, _ = choose_start(config, found, half, should_stop)
        agreements.append(float(adjusted_rand_score(grouping, found.grouping)))
    return Stability(float(np.mean(agreements)), agreements, rows)
