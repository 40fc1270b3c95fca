from itertools import product

import numpy as np
import pytest
from scipy.stats import norm

from catvq.dependence import higher_moments
from catvq.dependence.higher_moments import FALSE_ALARM, fourth_order, third_order


def coins(rows, features, seed=0):
    return np.random.default_rng(seed).choice([-1, 1], (rows, features)).astype(np.float32)


def every(features, repeats):
    """All sign patterns of some coins, equally often: sample moments are those of the coins."""
    return np.tile(np.array(list(product([-1, 1], repeat=features)), dtype=np.float32), (repeats, 1))


def level(combinations, rows):
    return norm.isf(FALSE_ALARM / 2 / combinations) ** 2 / rows


def test_three_coins_of_which_two_tell_the_third_are_tied_in_every_pair():
    free = every(3, 100)  # the last coin is independent
    found = third_order(np.insert(free, 2, free[:, 0] * free[:, 1], axis=1))
    tied = 1 - level(4, len(free))

    expected = np.zeros((4, 4))
    expected[:3, :3] = tied * (1 - np.eye(3))
    assert found == pytest.approx(expected, abs=1e-6)


def test_all_triples_of_a_pair_add_up():
    free = every(3, 100)
    a, b, c = free.T  # triples: a b ab, and c ab abc; the pair (a, abc) is in none
    columns = np.stack([a, b, a * b, c, a * b * c], axis=1)
    found = third_order(columns) / (1 - level(10, len(free)))

    assert found[0, 1] == pytest.approx(1, abs=1e-6)
    assert found[2].tolist() == pytest.approx([1, 1, 0, 1, 1], abs=1e-6)
    assert found[0, 4] == pytest.approx(0, abs=1e-6)


def test_the_level_rises_with_the_variance_that_two_features_share():
    scale = np.repeat([0.5, 1.5], 200).astype(np.float32)[:, None]
    free = every(2, 100) * scale / np.sqrt((scale**2).mean())
    columns = np.concatenate([free, np.sign(free[:, :1] * free[:, 1:])], axis=1)
    variance = (columns[:, 0] ** 2 * columns[:, 1] ** 2).mean()  # 1.64, of the scales alone
    mean = columns.prod(axis=1).mean()

    assert variance > 1.5
    assert third_order(columns)[0, 1] == pytest.approx(mean**2 - variance * level(1, 400), abs=1e-5)


def test_the_size_of_one_feature_that_follows_another_is_no_product_of_three():
    free = every(3, 100)
    free[:, 1] *= np.where(free[:, 0] > 0, 1.4, 0.2)
    assert (free[:, 0] * free[:, 1] ** 2).mean() > 0.9

    assert not third_order(free).any()


def test_the_parity_of_four_coins_shows_in_fours_only():
    free = every(4, 100)  # three coins of the four, and one that is independent
    columns = np.insert(free, 3, free[:, 0] * free[:, 1] * free[:, 2], axis=1)
    expected = np.zeros((5, 5))
    expected[:4, :4] = (1 - level(5, len(free))) * (1 - np.eye(4))

    assert not third_order(columns).any()
    assert fourth_order(columns) == pytest.approx(expected, abs=1e-6)


def test_a_pair_does_not_pair_with_itself_in_fours():
    columns = every(2, 200)
    columns = np.concatenate([columns, coins(800, 2)], axis=1)

    assert not fourth_order(columns).any()  # the mean of (a b)(a b) is 1


@pytest.mark.parametrize("order", [third_order, fourth_order])
def test_products_are_symmetric_with_a_zero_diagonal_and_not_negative(order):
    columns = coins(600, 7)
    columns[:, 6] = columns[:, 4] * columns[:, 5]
    columns[:, 3] = columns[:, 0] * columns[:, 1] * columns[:, 2]
    found = order(columns)

    assert found.any()
    assert found == pytest.approx(found.T, abs=1e-12)
    assert (np.diag(found) == 0).all()
    assert found.min() >= 0


@pytest.mark.parametrize("order", [third_order, fourth_order])
def test_independent_features_hardly_ever_show_a_product(order):
    false = sum(order(coins(300, 9, seed)).any() for seed in range(300))

    assert false <= 3  # one in a thousand tables


def rare(rows, seed):
    values = (np.random.default_rng(seed).random((rows, 16)) < 0.02).astype(np.float32)
    return (values - values.mean(axis=0)) / np.where(values.any(axis=0), values.std(axis=0), 1)


@pytest.mark.parametrize("order", [third_order, fourth_order])
def test_coincidences_of_rare_values_are_not_taken_for_a_product(order):
    assert sum(order(rare(1000, seed)).any() for seed in range(40)) <= 1


@pytest.mark.parametrize(("order", "least"), [(third_order, 3), (fourth_order, 4)])
def test_fewer_features_than_a_product_has_show_none(order, least):
    for features in range(least):
        assert order(np.ones((50, features), dtype=np.float32)).tolist() == np.zeros((features,) * 2).tolist()


def parities():
    columns = coins(2000, 8)
    columns[:, 2] = columns[:, 0] * columns[:, 1]
    columns[:, 6] = columns[:, 3] * columns[:, 4] * columns[:, 5]
    return columns


@pytest.mark.parametrize(
    ("order", "budget", "row_cost"),
    [(third_order, "THIRD_ORDER_BUDGET", 2 * 8**3 / 3), (fourth_order, "FOURTH_ORDER_BUDGET", 2 * 28**2)],
)
def test_a_long_table_is_read_in_part_and_not_at_all_if_too_little_could_be(
    monkeypatch, order, budget, row_cost
):
    columns = parities()
    monkeypatch.setattr(higher_moments, budget, 700.5 * row_cost)
    assert (order(columns) == order(columns[:700])).all()
    assert order(columns).any()

    monkeypatch.setattr(higher_moments, budget, 499.5 * row_cost)
    assert not order(columns).any()
    assert order(columns[:400]).any()  # all there is
