import numpy as np
import pytest

from catvq.dependence import category_count
from catvq.dependence.category_count import CategoryCount, count_categories, modularity


def blocks(sizes, weak=0.0):
    category = np.repeat(np.arange(len(sizes)), sizes)
    affinity = np.where(category[:, None] == category, 0.9, weak)
    np.fill_diagonal(affinity, 0)
    return affinity


def estimates(count):
    return [count.by_spectrum, count.by_modularity, count.by_linkage]


@pytest.mark.parametrize("three", [(1, 6, 9), (9, 1, 6), (6, 9, 1), (6, 6, 1), (60, 6, 6)])
def test_the_number_is_the_median_estimate(three):
    assert CategoryCount(*three).number == 6


def test_modularity_by_hand():
    # Two pairs of weight 1, a link of weight 0.5 between them: 2 W = 5, degrees 1, 1.5, 1.5, 1.
    affinity = np.zeros((4, 4))
    affinity[0, 1] = affinity[1, 0] = affinity[2, 3] = affinity[3, 2] = 1
    affinity[1, 2] = affinity[2, 1] = 0.5

    assert modularity(affinity, np.array([0, 0, 1, 1])) == pytest.approx(4 / 5 - 2 * (2.5 / 5) ** 2)
    assert modularity(affinity, np.array([0, 1, 0, 1])) == pytest.approx(0 - 2 * (2.5 / 5) ** 2)
    assert modularity(affinity, np.zeros(4, dtype=int)) == pytest.approx(0)


def test_modularity_of_nothing_is_0():
    assert modularity(np.zeros((3, 3)), np.array([0, 1, 1])) == 0


@pytest.mark.parametrize("sizes", [[4, 4], [3, 5, 12], [6] * 7, [4] * 12])
@pytest.mark.parametrize("weak", [0.0, 0.03])
def test_all_three_see_categories_that_stand_apart(sizes, weak):
    assert estimates(count_categories(blocks(sizes, weak))) == [len(sizes)] * 3


@pytest.mark.parametrize("affinity", [blocks([2]), blocks([20]), np.zeros((2, 2)), np.zeros((5, 5))])
def test_one_category_and_nothing_at_all_count_as_one(affinity):
    assert estimates(count_categories(affinity)) == [1, 1, 1]


def test_one_category_of_uneven_affinities_is_not_split():
    half = np.triu(np.random.default_rng(0).uniform(0.2, 1, (40, 40)), 1)

    assert count_categories(half + half.T).number == 1


def test_no_estimate_exceeds_the_features_less_one_or_the_maximum(monkeypatch):
    half = np.triu(np.random.default_rng(0).exponential(size=(6, 6)), 1)
    assert max(estimates(count_categories(np.minimum(half + half.T, 1)))) <= 5

    monkeypatch.setattr(category_count, "MAX_CATEGORIES", 4)
    assert max(estimates(count_categories(blocks([3] * 8)))) <= 4


def test_modularity_is_searched_past_a_dip_but_not_for_ever(monkeypatch):
    affinity = blocks([4] * 8)
    monkeypatch.setattr(category_count, "PATIENCE", 0)
    assert count_categories(affinity).by_modularity == 2
    monkeypatch.setattr(category_count, "PATIENCE", 1)
    assert count_categories(affinity).by_modularity == 8


def test_counting_leaves_the_affinity_as_it_was():
    affinity = blocks([4, 5], weak=0.1)
    before = affinity.copy()
    count_categories(affinity)

    assert (affinity == before).all()
