import math

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from catvq.grouping.baselines import GROUPING_METHODS, group_within, mutual_information

TRUTH = np.arange(12) % 3


def values():
    generator = np.random.default_rng(0)
    signals = generator.standard_normal((600, 3))
    return (signals[:, TRUTH] + 0.3 * generator.standard_normal((600, 12))).astype(np.float32)


@pytest.mark.parametrize("name", [name for name in GROUPING_METHODS if name != "random"])
def test_every_method_finds_features_that_rise_and_fall_together(name):
    grouping = GROUPING_METHODS[name](values(), 3, 0)

    assert grouping.dtype == np.int64
    assert adjusted_rand_score(TRUTH, grouping) == 1


def test_features_are_grouped_among_those_with_the_same_choice():
    allowed = np.zeros((12, 7), dtype=bool)
    allowed[:6, :3] = True
    allowed[6:8, 3:6] = True  # two features for three categories
    allowed[8:, 6] = True  # one category for four features

    grouping = group_within("clustering", values(), allowed, seed=0)

    assert adjusted_rand_score(TRUTH[:6], grouping[:6]) == 1
    assert set(grouping[:6]) == {0, 1, 2}
    assert grouping[6:].tolist() == [3, 4, 6, 6, 6, 6]


def test_features_with_one_choice_need_not_stand_together():
    allowed = np.eye(2, dtype=bool)[np.arange(12) // 3 % 2].repeat(2, axis=1)
    mine = allowed[:, 0]

    grouping = group_within("clustering", values(), allowed, seed=0)

    assert set(grouping[mine]) == {0, 1}
    assert set(grouping[~mine]) == {2, 3}


@pytest.mark.parametrize("name", GROUPING_METHODS)
@pytest.mark.parametrize("features", [1, 2, 3])
def test_features_that_are_no_more_than_the_categories_get_one_each(name, features):
    grouping = group_within(name, values()[:, :features], np.ones((features, 3), dtype=bool), seed=0)

    assert grouping.tolist() == list(range(features))


def test_mutual_information_of_a_copy_is_its_entropy_and_of_strangers_nil():
    column = np.arange(512) // 64
    stranger = np.arange(512) % 8  # every pair of bins equally often
    found = mutual_information(np.stack([column, -column, stranger], axis=1).astype(np.float32))

    assert found == pytest.approx(found.T)
    assert found[0, 1] == pytest.approx(math.log(8))
    assert found[0, 2] == pytest.approx(0, abs=1e-9)
