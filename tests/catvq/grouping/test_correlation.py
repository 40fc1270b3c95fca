import numpy as np
import pytest
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import silhouette_score

from catvq.grouping import correlation
from catvq.grouping.correlation import cluster_features, correlation_distances, silhouettes


def planted(true, rows=400, noise=0.5, seed=0):
    """Rows whose features follow one hidden signal per category, every other one with its sign flipped."""
    generator = np.random.default_rng(seed)
    true = np.asarray(true)
    signals = generator.standard_normal((rows, true.max() + 1))
    signs = np.where(np.arange(len(true)) % 2, -1, 1)
    values = signals[:, true] * signs + noise * generator.standard_normal((rows, len(true)))
    return (values / values.std(axis=0)).astype(np.float32)


UNEQUAL = [0] * 3 + [1] * 12 + [2] * 5 + [3] * 7


def test_planted_categories_are_recovered_when_their_number_is_given():
    assert cluster_features(planted(UNEQUAL), 4, seed=0).tolist() == UNEQUAL


def test_a_chain_of_neighbours_is_cut_into_even_stretches():
    steps = np.random.default_rng(0).standard_normal((2000, 15))
    chain = sum(steps[:, start : start + 12] for start in range(4)).astype(np.float32)
    sizes = np.bincount(cluster_features(chain, 3, seed=0))

    assert sizes.min() >= 3


def test_the_silhouette_finds_the_number_of_planted_categories():
    assert cluster_features(planted(UNEQUAL), None, seed=0).tolist() == UNEQUAL


def test_categories_are_numbered_by_their_first_features():
    true = np.array([0, 1, 2, 1, 0, 2, 2, 1, 0, 0, 1, 2])

    assert cluster_features(planted(true), 3, seed=0).tolist() == true.tolist()


@pytest.mark.parametrize("number", [1, 2, 5, 9, 26, 27, 60])
def test_the_number_asked_for_is_met_with_no_category_empty(number):
    grouping = cluster_features(planted(UNEQUAL), number, seed=0)

    assert sorted(set(grouping.tolist())) == list(range(min(number, len(UNEQUAL))))
    assert len(grouping) == len(UNEQUAL)


def test_the_number_asked_for_is_met_among_identical_features():
    values = np.repeat(planted([0, 1]), 6, axis=1)

    assert set(cluster_features(values, 7, seed=0).tolist()) == set(range(7))


@pytest.mark.parametrize(
    ("features", "number", "expected"), [(1, None, [0]), (1, 3, [0]), (2, None, [0, 0]), (2, 2, [0, 1])]
)
def test_one_or_two_features_are_grouped_without_a_silhouette(features, number, expected):
    assert cluster_features(planted([0, 1])[:, :features], number, seed=0).tolist() == expected


def test_the_silhouette_never_chooses_more_than_the_most_allowed():
    values = planted(np.arange(30) % 10)

    assert cluster_features(values, None, seed=0).max() == 9
    assert cluster_features(values, None, seed=0, max_categories=6).max() <= 5
    assert cluster_features(values, None, seed=0, max_categories=1).max() == 0


def test_distances_are_one_minus_the_absolute_correlation():
    values = planted([0, 0, 1])
    distances = correlation_distances(values, seed=0)

    np.testing.assert_allclose(distances, 1 - np.abs(np.corrcoef(values.T)), atol=1e-6)
    assert distances.diagonal().tolist() == [0, 0, 0]
    assert (distances == distances.T).all()


def test_a_feature_that_does_not_vary_is_far_from_every_other():
    values = planted([0, 0, 0])
    values[:, 1] = 0

    assert correlation_distances(values, seed=0)[1].tolist() == [1, 0, 1]


def test_long_tables_are_read_in_part_and_the_seed_chooses_the_part(monkeypatch):
    monkeypatch.setattr(correlation, "MAX_ROWS", 50)
    values = planted([0, 0, 1])
    first = correlation_distances(values, seed=1)

    assert (first == correlation_distances(values, seed=1)).all()
    assert (first != correlation_distances(values, seed=2)).any()


def test_silhouettes_worked_out_by_hand():
    # features 0 and 1 are 0.2 apart; feature 2 is 0.8 and 1.0 from them
    distances = np.array([[0, 0.2, 0.8], [0.2, 0, 1], [0.8, 1, 0]], np.float32)
    grouping = np.array([[0], [0], [1]])

    # (0.8 - 0.2) / 0.8, (1 - 0.2) / 1, and 0 for the one alone
    assert silhouettes(distances, grouping)[0] == pytest.approx((0.75 + 0.8 + 0) / 3)


def test_silhouettes_agree_with_those_of_scikit_learn():
    distances = correlation_distances(planted(UNEQUAL, noise=1.5), seed=0)
    groupings = cut_tree(linkage(squareform(distances, checks=False), "ward"), n_clusters=np.arange(2, 12))

    expected = [silhouette_score(distances, grouping, metric="precomputed") for grouping in groupings.T]
    np.testing.assert_allclose(silhouettes(distances, groupings), expected, atol=1e-6)


def test_identical_features_have_a_silhouette_of_zero_rather_than_no_number():
    assert silhouettes(np.zeros((4, 4), np.float32), np.array([[0], [0], [1], [1]])).tolist() == [0]
