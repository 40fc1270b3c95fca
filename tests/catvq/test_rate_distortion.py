import itertools

import numpy as np
import pytest

from catvq.rate_distortion import cheapest_union, gaussian_error, improve_grouping, told

PAIRS = np.array([0, 0, 1, 1])


def correlated(*pairs, count=4):
    covariance = np.eye(count)
    for a, b, correlation in pairs:
        covariance[a, b] = covariance[b, a] = correlation
    return covariance


@pytest.fixture
def covariance():
    """Of nine features with three common causes, unequally strong."""
    rng = np.random.default_rng(3)
    causes = rng.normal(size=(9, 3)) * np.repeat([1.0, 0.7, 0.4], 3)[:, None]
    matrix = causes @ causes.T + np.diag(rng.uniform(0.1, 0.5, 9))
    scale = np.sqrt(np.diag(matrix))
    return matrix / np.outer(scale, scale)


def test_each_bit_for_one_feature_halves_its_standard_deviation():
    assert [gaussian_error(np.eye(1), np.zeros(1, int), bits) for bits in (0, 1, 3)] == pytest.approx(
        [1, 1 / 4, 1 / 64]
    )


def test_bits_of_independent_features_are_shared_equally():
    assert gaussian_error(np.eye(2), np.zeros(2, int), 4) == pytest.approx(2**-4)


def test_a_component_that_varies_less_than_the_water_level_gets_no_bits():
    """One bit takes 4 to 1, and 0.5 lies below."""
    precision = told(np.diag([4.0, 0.5]), 1)
    assert precision == pytest.approx(np.diag([1 / 1 - 1 / 4, 0.0]))


def test_features_that_say_the_same_share_a_description():
    """Variances 1 + r and 1 - r, both above the level sqrt(1 - r^2) / 4."""
    covariance = correlated((0, 1, 0.6), (2, 3, 0.6))
    assert gaussian_error(covariance, PAIRS, 2) == pytest.approx(0.8 / 4)
    assert gaussian_error(covariance, PAIRS, 2) < gaussian_error(covariance, np.array([0, 1, 0, 1]), 2)


def test_what_one_category_tells_of_another_counts():
    """Of a feature and its copy with noise, each a category, the second is known in part without a bit."""
    alone, together = (
        gaussian_error(correlated((0, 1, r), count=2), np.array([0, 1]), 1) for r in (0.0, 0.8)
    )
    assert together < alone == pytest.approx(1 / 4)


@pytest.mark.parametrize("seed", range(5))
def test_of_any_start_becomes_a_grouping_that_no_move_improves(covariance, seed):
    start = np.random.default_rng(seed).permutation(np.arange(9) % 3)
    allowed = np.ones((9, 3), bool)

    grouping, error = improve_grouping(covariance, start, allowed, bits=4, seed=seed)

    assert error == pytest.approx(gaussian_error(covariance, grouping, 4))
    assert error <= gaussian_error(covariance, start, 4)
    assert np.bincount(grouping, minlength=3).min() > 0
    for feature, category in itertools.product(range(9), range(3)):
        moved = grouping.copy()
        moved[feature] = category
        if len(np.unique(moved)) == 3:
            assert gaussian_error(covariance, moved, 4) >= error * (1 - 2e-3)


def test_the_best_of_all_groupings_is_found(covariance):
    """Of nine features in three categories all 3^9 can be tried."""
    of_all = min(
        gaussian_error(covariance, np.array(labels), 4)
        for labels in itertools.product(range(3), repeat=9)
        if labels[0] == 0 and len(set(labels)) == 3
    )
    starts = [np.random.default_rng(seed).permutation(np.arange(9) % 3) for seed in range(5)]
    found = [improve_grouping(covariance, s, np.ones((9, 3), bool), bits=4, seed=0)[1] for s in starts]
    assert min(found) == pytest.approx(of_all)


def test_a_feature_stays_within_what_it_may_join(covariance):
    allowed = np.zeros((9, 4), bool)
    allowed[:5, :2] = allowed[5:, 2:] = True
    start = np.array([0, 1, 0, 1, 0, 2, 3, 2, 3])

    grouping, _ = improve_grouping(covariance, start, allowed, bits=3, seed=0)

    assert allowed[np.arange(9), grouping].all()
    assert grouping.tolist() != start.tolist()
    assert start.tolist() == [0, 1, 0, 1, 0, 2, 3, 2, 3]


def test_an_empty_category_may_be_filled():
    grouping, error = improve_grouping(
        np.eye(4), np.array([0, 0, 1, 1]), np.ones((4, 3), bool), bits=2, seed=0
    )
    assert set(grouping) == {0, 1, 2}
    assert error < gaussian_error(np.eye(4), PAIRS, 2)


def error_by_size(covariance, grouping, bits_per_feature):
    """Sum of the features' errors when each category has bits in proportion to its features."""
    precision = np.linalg.inv(covariance)
    for category in np.unique(grouping):
        members = np.flatnonzero(grouping == category)
        own = np.ix_(members, members)
        precision[own] += told(covariance[own], bits_per_feature * len(members))
    return np.trace(np.linalg.inv(precision))


def test_two_small_parts_of_different_categories_do_not_join():
    """With equal bits for all they would: eight features instead of ten share them."""
    truth = np.repeat([0, 1, 2], 10)
    covariance = 0.3 * np.eye(30) + 0.7 * (truth[:, None] == truth)
    parts = np.repeat([0, 1, 2, 3, 4], [4, 6, 4, 6, 10])

    assert cheapest_union(covariance, parts, np.arange(5), bits_per_feature=1.0) in {(0, 1), (2, 3)}


def test_the_cheapest_union_is_that_of_the_least_error(covariance):
    grouping = np.array([0, 0, 1, 1, 2, 2, 4, 4, 4])
    pairs = list(itertools.combinations([0, 1, 2, 4], 2))
    errors = [error_by_size(covariance, np.where(grouping == b, a, grouping), 1.5) for a, b in pairs]

    found = cheapest_union(covariance, grouping, np.array([0, 1, 2, 4]), bits_per_feature=1.5)

    assert found == pairs[int(np.argmin(errors))]
    assert min(errors) < np.median(errors)
