"""On a real table the learnt grouping is no worse than the best usual one, as in `make bench-real`."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from benchmarks.real import errors
from benchmarks.real_tables import RealTable

pytestmark = pytest.mark.slow

SPLITS = (720, 721)
EPOCHS = 12
WORSE_BY_CHANCE = 0.05  # five splits alone, these two and three others, gave -0.127 to -0.003


def test_the_default_recipe_holds_against_the_usual_groupings():
    table = RealTable(load_breast_cancer().data.astype(np.float32), "breast cancer")
    measured = np.array([errors(table, seed, epochs=EPOCHS) for seed in SPLITS])[:, :, 0].mean(axis=0)
    assert measured[-1] <= (1 + WORSE_BY_CHANCE) * measured[:-1].min()
