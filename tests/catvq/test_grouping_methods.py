import math

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from catvq.grouping_methods import GROUPING_METHODS, group_within, mutual_information

TRUTH = np.arange(12) % 3


def values():
    generator = np.random.default_rng(0)
    signals = generator.standard_normal((600, 3))
    return (signals[:, TRUTH] + 0.3 * generator.standard_normal((600, 12))).astype(np.float32)


@pytest.mark.parametrize("name", GROUPING_METHODS)
def test_every_method_finds_features_that_rise_and_fall_together(name):
    grouping = GROUPING_METHODS[name](values(), 3, 0)

    assert grouping.dtype == np.int64
    assert adjusted_rand_score(TRUTH, grouping) == 1


def test_features_are_grouped_among_those_with_the_same_choice():
    allowed = np.zeros((12, 4), dtype=bool)
    allowed[:6, :3], allowed[6:, 3:] = True, True

    grouping = group_within("clustering", values(), allowed, seed=0)

    assert adjusted_rand_score(TRUTH[:6], grouping[:6]) == 1
    assert set(grouping[:6]) == {0, 1, 2}
    assert set(grouping[6:]) == {3}


@pytest.mark.parametrize("name", GROUPING_METHODS)
def test_fewer_features_than_categories_get_one_each(name):
    grouping = group_within(name, values()[:, :2], np.ones((2, 3), dtype=bool), seed=0)

    assert grouping.tolist() == [0, 1]


def test_mutual_information_of_a_copy_is_its_entropy_and_of_strangers_nearly_nil():
    column = np.random.default_rng(0).permutation(800).astype(np.float32)
    stranger = np.random.default_rng(1).permutation(800).astype(np.float32)
    found = mutual_information(np.stack([column, -column, stranger], axis=1))

    assert found == pytest.approx(found.T)
    assert found[0, 1] == pytest.approx(math.log(8), abs=1e-6)
    assert 0 <= found[0, 2] < 0.06  # 49 degrees of freedom over twice the rows is 0.03
