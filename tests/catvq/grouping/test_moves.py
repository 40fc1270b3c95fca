import itertools

import numpy as np
import pytest

from catvq.errors import Interrupted
from catvq.grouping import moves
from catvq.grouping.moves import cheapest_union, improve_grouping
from catvq.grouping.rate_distortion import GaussianCode, gaussian_error


@pytest.mark.parametrize("seed", range(5))
def test_of_any_start_becomes_a_grouping_that_no_move_improves(covariance, seed):
    start = np.random.default_rng(seed).permutation(np.arange(9) % 3)
    allowed = np.ones((9, 3), bool)

    found = improve_grouping(covariance, start, allowed, bits=4, seed=seed)
    grouping, error = found.grouping, found.error

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
    found = [improve_grouping(covariance, s, np.ones((9, 3), bool), bits=4, seed=0).error for s in starts]
    assert min(found) == pytest.approx(of_all)


def test_a_feature_stays_within_what_it_may_join(covariance):
    allowed = np.zeros((9, 4), bool)
    allowed[:5, :2] = allowed[5:, 2:] = True
    start = np.array([0, 1, 0, 1, 0, 2, 3, 2, 3])

    grouping = improve_grouping(covariance, start, allowed, bits=3, seed=0).grouping

    assert allowed[np.arange(9), grouping].all()
    assert grouping.tolist() != start.tolist()
    assert start.tolist() == [0, 1, 0, 1, 0, 2, 3, 2, 3]


def test_an_empty_category_may_be_filled():
    found = improve_grouping(np.eye(4), np.array([0, 0, 1, 1]), np.ones((4, 3), bool), bits=2, seed=0)
    assert set(found.grouping) == {0, 1, 2}
    assert found.error < gaussian_error(np.eye(4), np.array([0, 0, 1, 1]), 2)


def error_by_size(covariance, grouping, bits_per_feature):
    """Sum of the features' errors when each category has bits in proportion to its features."""
    precision = np.linalg.inv(covariance)
    for category in np.unique(grouping):
        members = np.flatnonzero(grouping == category)
        own = np.ix_(members, members)
        code = GaussianCode.of(covariance[own], np.arange(len(members)), bits_per_feature * len(members))
        precision[own] += code.loadings @ code.loadings.T
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


def many_causes(features, causes, seed=0):
    """Covariance of features that each follow one cause, nearly without noise, and a little all others."""
    random = np.random.default_rng(seed)
    weights = np.eye(causes)[np.arange(features) % causes] + 0.05 * random.normal(size=(features, causes))
    matrix = weights @ weights.T + 1e-4 * np.eye(features)
    scale = np.sqrt(np.diag(matrix))
    return matrix / np.outer(scale, scale)


@pytest.mark.parametrize("bits", [0.5, 4, 20])
def test_what_a_move_is_said_to_save_is_what_it_saves(bits):
    covariance = many_causes(24, 3)
    grouping = np.arange(24) // 8
    search = moves._Search(covariance, grouping, np.ones((24, 4), bool), lambda _: bits)
    for feature, target in ((0, 1), (9, 2), (20, 3)):
        home = int(search.grouping[feature])
        parts = {home: search._codes[home].members, target: search._codes[target].members}
        parts = {home: parts[home][parts[home] != feature], target: np.append(parts[target], feature)}
        change = {category: search._code_of(members) for category, members in parts.items()}
        predicted = search._error_after(change)
        search._make(change)
        assert predicted == pytest.approx(search.error, rel=1e-6)
        assert search.error / 24 == pytest.approx(gaussian_error(covariance, search.grouping, bits), rel=1e-6)


def test_the_budget_of_work_is_looked_at_after_every_move(monkeypatch):
    covariance, start = many_causes(60, 4), np.arange(60) // 15
    allowed = np.ones((60, 4), bool)
    whole = improve_grouping(covariance, start, allowed, bits=4, seed=0)
    least = moves._Search(covariance, start, allowed, lambda _: 4.0).work
    monkeypatch.setattr(moves, "MAX_WORK", least + 10 * moves.TRIAL_WORK)

    cut = improve_grouping(covariance, start, allowed, bits=4, seed=0)

    assert (whole.is_cut_short, cut.is_cut_short) == (False, True)
    assert 1 <= (cut.grouping != start).sum() <= 10
    assert whole.error < cut.error < gaussian_error(covariance, start, 4)
    assert cut.error == pytest.approx(gaussian_error(covariance, cut.grouping, 4))


def test_with_many_categories_a_feature_is_tried_in_those_that_tell_most_of_it(monkeypatch):
    covariance = many_causes(200, 20)
    truth = np.arange(200) % 20
    start = truth.copy()
    start[:10] = (truth[:10] + 7) % 20
    monkeypatch.setattr(moves, "TRIALS_PER_ROUND", 800)
    search = moves._Search(covariance, start, np.ones((200, 20), bool), lambda _: 4.0)

    assert search._targets(0, int(start[0])) == sorted(search._targets(0, int(start[0])))
    assert len(search._targets(0, int(start[0]))) == 4
    assert all(truth[feature] in search._targets(feature, int(start[feature])) for feature in range(10))
    found = improve_grouping(covariance, start, np.ones((200, 20), bool), bits=4, seed=0)
    assert found.grouping[:10].tolist() == truth[:10].tolist()


def test_a_search_can_be_stopped_before_every_move(covariance):
    asked = iter([False, False, True])
    with pytest.raises(Interrupted):
        improve_grouping(
            covariance,
            np.arange(9) % 3,
            np.ones((9, 3), bool),
            bits=4,
            seed=0,
            should_stop=lambda: next(asked),
        )
