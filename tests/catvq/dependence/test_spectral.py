import numpy as np
import pytest

from catvq.dependence.spectral import SpectralEmbedding, self_scaled, separation

rng = np.random.default_rng(0)


def symmetric(size, seed=0):
    half = np.triu(np.random.default_rng(seed).exponential(size=(size, size)), 1)
    return half + half.T


def blocks(sizes, weak=0.0):
    category = np.repeat(np.arange(len(sizes)), sizes)
    affinity = np.where(category[:, None] == category, 1.0, weak)
    np.fill_diagonal(affinity, 0)
    return affinity


def test_a_pair_is_divided_by_the_scales_of_both_its_features():
    strength = np.zeros((5, 5))
    for first, second, value in [(0, 1, 3), (0, 2, 2), (0, 3, 1), (0, 4, 0.5), (1, 2, 3), (3, 4, 1)]:
        strength[first, second] = strength[second, first] = value
    # Means of the three strongest: 2, 2, 5/3, 2/3, 1/2; the fourth pair of feature 0 does not count.
    scaled = self_scaled(strength)

    assert scaled[0, 4] == pytest.approx(0.5 / np.sqrt(2 * 0.5))
    assert scaled[0, 3] == pytest.approx(1 / np.sqrt(2 * 2 / 3))
    assert scaled[0, 1] == 1  # 1.5, cut off


@pytest.mark.parametrize("size", [1, 2, 3, 4, 40])
def test_scaled_strengths_are_symmetric_from_0_to_1_with_a_zero_diagonal(size):
    scaled = self_scaled(symmetric(size, seed=size))

    assert (scaled == scaled.T).all()
    assert scaled.min() >= 0
    assert scaled.max() <= 1
    assert (np.diag(scaled) == 0).all()


def test_a_weak_category_becomes_as_close_as_a_strong_one():
    strength = blocks([4, 4])
    strength[4:, 4:] *= 1e-4

    assert self_scaled(strength) == pytest.approx(blocks([4, 4]))


def test_a_feature_without_any_strength_stays_without():
    strength = blocks([3, 1])

    assert (self_scaled(strength)[3] == 0).all()


def test_separation_by_hand():
    # Of six pairs two are within; they hold 2 of the affinity's 2.5.
    affinity = blocks([2, 2])
    affinity[1, 2] = affinity[2, 1] = 0.5

    assert separation(affinity, np.array([0, 0, 1, 1])) == pytest.approx((2 / 2.5 - 1 / 3) / (1 - 1 / 3))


def test_separation_is_1_between_unconnected_categories_and_0_where_there_is_nothing_to_separate():
    two = np.repeat([0, 1], [3, 5])

    assert separation(blocks([3, 5]), two) == pytest.approx(1)
    assert separation(blocks([8]), two) == pytest.approx(0)
    assert separation(blocks([3, 5]), np.zeros(8, dtype=int)) == 0
    assert separation(np.zeros((8, 8)), two) == 0
    assert separation(np.zeros((1, 1)), np.zeros(1, dtype=int)) == 0


def test_eigenvalues_descend_from_1_as_often_as_there_are_unconnected_categories():
    embedding = SpectralEmbedding.of(blocks([3, 4, 5]))

    assert embedding.eigenvalues[:3] == pytest.approx(np.ones(3))
    assert embedding.eigenvalues[3] < 0.01
    assert (np.diff(embedding.eigenvalues) <= 1e-12).all()
    # Two connected features: 1 and -1.
    assert SpectralEmbedding.of(blocks([2])).eigenvalues == pytest.approx([1, -1])


def test_vectors_solve_the_affinity_normalised_by_degrees():
    affinity = symmetric(6)
    embedding = SpectralEmbedding.of(affinity)
    degree = affinity.sum(axis=0)
    normalised = affinity / np.sqrt(np.outer(degree, degree))

    assert normalised @ embedding.vectors == pytest.approx(embedding.vectors * embedding.eigenvalues)


def test_categories_are_found_through_weak_links():
    order = rng.permutation(24)
    true = np.repeat([0, 1, 2], [3, 9, 12])[order]
    affinity = blocks([3, 9, 12], weak=0.05)[np.ix_(order, order)]
    grouping = SpectralEmbedding.of(affinity).grouping(3)

    assert ((grouping[:, None] == grouping) == (true[:, None] == true)).all()
    assert grouping.dtype == np.int64


@pytest.mark.parametrize("affinity", [symmetric(12), blocks([12]), blocks([5, 7]), np.zeros((12, 12))])
def test_exactly_as_many_categories_as_asked_for_and_none_empty(affinity):
    embedding = SpectralEmbedding.of(affinity)
    for number in range(1, 13):
        assert sorted(set(embedding.grouping(number).tolist())) == list(range(number))


def test_two_features_make_two_categories():
    assert sorted(SpectralEmbedding.of(blocks([2])).grouping(2).tolist()) == [0, 1]


def test_no_feature_is_closer_to_another_category_than_its_own():
    embedding = SpectralEmbedding.of(symmetric(80))
    grouping = embedding.grouping(3)
    points = embedding.vectors[:, :3] / np.linalg.norm(embedding.vectors[:, :3], axis=1, keepdims=True)
    centres = np.stack([points[grouping == index].mean(axis=0) for index in range(3)])
    distance = np.linalg.norm(points[:, None] - centres, axis=2)

    assert (distance.argmin(axis=1) == grouping).all()


def test_the_same_affinity_gives_the_same_grouping():
    affinity = symmetric(30)

    assert (
        SpectralEmbedding.of(affinity).grouping(5) == SpectralEmbedding.of(affinity.copy()).grouping(5)
    ).all()
