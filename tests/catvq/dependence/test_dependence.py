import numpy as np
import pytest
from scipy.signal import lfilter
from sklearn.metrics import adjusted_rand_score

from benchmarks.planted import planted
from catvq.dependence import dependence
from catvq.dependence.dependence import MAX_ROWS, group_by_dependence

SEEDS = range(500, 510)


def normalised(values):
    deviation = values.std(axis=0)
    return ((values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1)).astype(np.float32)


def independent(rows, features, seed=0):
    return normalised(np.random.default_rng(seed).standard_normal((rows, features)))


def grouped(sizes, rows=1000, seed=0):
    """Features that follow one hidden signal per category, with as much noise."""
    random = np.random.default_rng(seed)
    hidden = np.repeat(random.standard_normal((rows, len(sizes))), sizes, axis=1)
    return normalised(hidden + random.standard_normal(hidden.shape))


@pytest.mark.parametrize("kind", ["plain", "harmonic", "shared_factor", "unequal", "parity", "xor"])
def test_planted_categories_and_their_number_are_found(kind):
    right = 0
    for seed in SEEDS:
        table = planted(kind, seed=seed)
        found = group_by_dependence(table.values, None, seed=0)
        if found.num_categories == table.num_categories:
            right += 1
        else:
            found = group_by_dependence(table.values, table.num_categories, seed=0)
        belongs = table.category >= 0
        assert adjusted_rand_score(table.category[belongs], found.grouping[belongs]) >= 0.98
        assert found.structure == "categories"
        assert not found.is_noise[belongs].any()
    assert right >= 9


def test_columns_that_belong_to_nothing_are_marked_as_noise_and_still_have_a_category():
    noise = missed = 0
    for seed in SEEDS[:2]:
        table = planted("unequal", seed=seed)
        found = group_by_dependence(table.values, table.num_categories, seed=0)
        noise += (table.category < 0).sum()
        missed += (~found.is_noise & (table.category < 0)).sum()
        assert set(found.grouping[found.is_noise]) <= set(range(found.num_categories))
    assert noise == 12
    assert missed <= 1


def test_one_planted_category_is_one_category():
    for seed in SEEDS[:2]:
        found = group_by_dependence(planted("one_category", seed=seed).values, None, seed=0)
        assert (found.structure, found.num_categories) == ("one_category", 1)
        assert found.count.number == 1
        assert not found.is_noise.any()


@pytest.mark.parametrize("number", [None, 1, 3])
def test_noise_alone_has_no_structure(number):
    found = group_by_dependence(planted("noise_only", seed=501).values, number, seed=0)

    assert found.structure == "none"
    assert found.is_noise.all()
    assert found.num_categories == (number or 1)
    assert sorted(set(found.grouping)) == list(range(number or 1))
    assert found.count is None


def test_no_number_is_told_of_features_that_took_part_but_turned_out_to_be_noise():
    values = independent(200, 12, seed=65)
    assert dependence._Evidence.of(values).takes_part.sum() == 2
    found = group_by_dependence(values, None, seed=0)

    assert (found.structure, found.num_categories, found.count) == ("none", 1, None)


def rare(random, shape):
    return random.random(shape) < 0.02


def coins(random, shape):
    return random.integers(0, 2, shape)


@pytest.mark.parametrize("draw", [np.random.Generator.standard_normal, coins, rare])
@pytest.mark.parametrize("shape", [(40, 60), (100, 30), (300, 20), (2000, 20)])
def test_independent_features_are_noise_whatever_their_values_and_however_few_the_rows(draw, shape):
    found = [
        group_by_dependence(normalised(draw(np.random.default_rng(seed), shape)), None, seed=0)
        for seed in range(3)
    ]

    assert sum(one.structure != "none" for one in found) <= 1


def test_two_values_that_depend_on_each_other_are_found():
    random = np.random.default_rng(0)
    hidden = np.repeat(coins(random, (1000, 2)), 4, axis=1)
    flipped = np.where(random.random(hidden.shape) < 0.2, 1 - hidden, hidden)

    assert group_by_dependence(normalised(flipped), None, seed=0).grouping.tolist() == [0] * 4 + [1] * 4


TRANSFORMS = (np.exp, lambda x: x**3, lambda x: 1 / (1 + np.exp(-3 * x)), np.arctan, lambda x: -np.exp(-x))


def chains(sizes, rows=2500, seed=0):
    """Each category the lags of one signal, neighbours correlated by 0.9, each seen through a transform."""
    random = np.random.default_rng(seed)
    columns = []
    for size in sizes:
        noise = random.standard_normal(rows + size + 200)
        signal = lfilter([np.sqrt(1 - 0.9**2)], [1, -0.9], noise)[200:]
        columns += [TRANSFORMS[random.integers(5)](signal[lag : lag + rows]) for lag in range(size)]
    return normalised(np.stack(columns, axis=1))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sizes", [[10] * 6, [4, 6, 8, 12, 20, 30], [50, 50, 5, 5, 5]])
def test_chains_seen_through_monotone_transforms_are_not_cut(sizes, seed):
    found = group_by_dependence(chains(sizes, seed=seed), len(sizes), seed=0)

    assert adjusted_rand_score(np.repeat(range(len(sizes)), sizes), found.grouping) >= 0.95
    assert found.separation >= 0.9


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weight", [0.5, 1])
def test_of_a_hierarchy_the_level_is_found_that_has_the_number_asked_for(seed, weight):
    random = np.random.default_rng(seed)
    branch = weight * np.repeat(random.standard_normal((2500, 3)), 18, axis=1)
    leaf = np.repeat(random.standard_normal((2500, 9)), 6, axis=1)
    values = normalised(branch + leaf + 0.7 * random.standard_normal(leaf.shape))

    for number in (3, 9):
        grouping = group_by_dependence(values, number, seed=0).grouping
        assert adjusted_rand_score(np.repeat(range(number), 54 // number), grouping) >= 0.95


def in_panels(values, part, panels, seed):
    """The values, with all features of a panel missing together in a part of the rows; dealt out in turn."""
    gone = np.random.default_rng(seed).random((len(values), panels)) < part
    return np.where(gone[:, np.arange(values.shape[1]) % panels], np.nan, values).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("part", "panels"), [(0.3, 4), (0.3, 8), (0.5, 4), (0.5, 8)])
def test_features_that_go_missing_together_are_not_taken_for_dependent(part, panels, seed):
    values = in_panels(grouped([8] * 6, rows=2500, seed=seed), part, panels, seed)
    found = group_by_dependence(values, 6, seed=0)

    assert adjusted_rand_score(np.repeat(range(6), 8), found.grouping) >= 0.95
    assert group_by_dependence(values, None, seed=0).num_categories == 6


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6])
def test_independent_features_in_panels_are_noise(part):
    tables = [in_panels(independent(1000, 30, seed), part, 3, seed) for seed in range(3)]

    assert sum(group_by_dependence(table, None, seed=0).structure != "none" for table in tables) <= 1


def test_the_number_found_gives_what_the_same_number_given_does():
    values = grouped([5, 5, 5])
    automatic, given = (group_by_dependence(values, number, seed=0) for number in (None, 3))

    assert automatic.count.number == automatic.num_categories == 3
    assert given.count is None
    assert automatic.grouping.tolist() == given.grouping.tolist() == [0] * 5 + [1] * 5 + [2] * 5


@pytest.mark.parametrize("number", [1, 2, 5, 11, 12, 13, 40])
@pytest.mark.parametrize(
    "values", [grouped([6, 6]), independent(200, 12), np.zeros((50, 12), np.float32), grouped([6, 6], rows=3)]
)
def test_exactly_as_many_categories_as_asked_for_and_none_empty(values, number):
    found = group_by_dependence(values, number, seed=0)

    assert found.num_categories == min(number, 12)
    assert sorted(set(found.grouping.tolist())) == list(range(min(number, 12)))
    assert found.grouping.dtype == np.int64
    assert found.grouping.shape == found.is_noise.shape == (12,)


@pytest.mark.parametrize("rows", [1, 2, 3, 10, 500])
@pytest.mark.parametrize("features", [1, 2, 3, 4])
@pytest.mark.parametrize("number", [None, 1, 2, 9])
def test_few_features_and_few_rows_are_grouped_too(rows, features, number):
    found = group_by_dependence(independent(rows, features), number, seed=0)

    assert found.structure == "none"
    assert found.num_categories == min(number or 1, features)
    assert sorted(set(found.grouping.tolist())) == list(range(found.num_categories))


@pytest.mark.parametrize(("number", "grouping"), [(None, [0, 0]), (1, [0, 0]), (2, [0, 1]), (3, [0, 1])])
def test_two_features_that_depend_on_each_other_are_no_noise(number, grouping):
    found = group_by_dependence(grouped([2]), number, seed=0)

    assert found.grouping.tolist() == grouping
    assert not found.is_noise.any()
    assert found.structure == ("one_category" if number is None else "categories")


def test_a_column_that_never_varies_is_noise_and_disturbs_nothing():
    values = grouped([4, 5])
    with_constants = np.insert(values, [2, 7], 0, axis=1)
    found = group_by_dependence(with_constants, None, seed=0)

    assert found.is_noise.tolist() == [index in {2, 8} for index in range(11)]
    assert found.grouping[~found.is_noise].tolist() == [0] * 4 + [1] * 5


def test_categories_are_numbered_by_their_first_features():
    true = np.array([0, 1, 2, 1, 0, 2, 2, 1, 0, 0, 1, 2])
    values = grouped([4, 4, 4])[:, np.argsort(np.argsort(true, kind="stable"))]

    assert group_by_dependence(values, 3, seed=0).grouping.tolist() == true.tolist()


def test_noise_that_stands_first_still_has_the_first_category():
    for seed in range(8):
        values = np.concatenate([independent(500, 3, seed), grouped([4, 4, 4], rows=500)], axis=1)
        grouping = group_by_dependence(values, 3, seed=0).grouping
        firsts = [grouping.tolist().index(category) for category in range(3)]
        assert firsts == sorted(firsts)


def test_the_order_of_the_features_changes_nothing_else():
    values = grouped([4, 7, 5], seed=3)
    order = np.random.default_rng(0).permutation(16)
    there = group_by_dependence(values, None, seed=0).grouping[order]
    here = group_by_dependence(values[:, order], None, seed=0).grouping

    assert adjusted_rand_score(there, here) == 1


def test_rows_are_chosen_by_the_seed_where_there_are_too_many_and_else_there_is_no_chance():
    common = np.random.default_rng(1).standard_normal((MAX_ROWS + 5000, 1))
    long = normalised(grouped([3, 3], rows=len(common)) + 0.5 * common)
    short = long[:2000]

    def separation(values, seed):
        return group_by_dependence(values, 2, seed=seed).separation

    assert separation(short, 1) == separation(short, 2)
    assert separation(long, 1) == separation(long, 1) != separation(long, 2)


def test_many_features_are_looked_at_through_fewer_cosines(monkeypatch):
    random = np.random.default_rng(0)
    turn = random.uniform(size=2000)
    values = normalised(
        np.stack([turn, np.cos(4 * np.pi * turn) + 0.1 * random.standard_normal(2000)], axis=1)
    )
    assert not group_by_dependence(values, None, seed=0).is_noise.any()  # the fourth cosine sees it

    monkeypatch.setattr(dependence, "MAX_COLUMNS", 3)
    assert group_by_dependence(values, None, seed=0).is_noise.all()


def test_a_category_fits_as_well_as_all_pairs_with_its_other_members_together_by_hand():
    surprise = np.array([[[0, 2, 3, 1], [2, 0, 5, 4], [3, 5, 0, 6], [1, 4, 6, 0.0]]])
    evidence = dependence._Evidence(
        surprise[0], surprise, np.ones(4, bool), np.ones(4, bool), surprise[0], surprise[0]
    )
    fits = evidence.fit(np.array([0, 0, 0, 1]), np.array([True, True, True, False]), 2)

    # The sum s of n variables that are Exp(1) exceeds s with chance exp(-s) (1 + s + ... + s^(n-1) / (n-1)!).
    assert fits[0] == pytest.approx([np.exp(-5) * 6, 1])
    assert fits[3] == pytest.approx([np.exp(-11) * (1 + 11 + 11**2 / 2), 1])


def test_discoveries_are_those_of_benjamini_and_hochberg_by_hand():
    # Limits at 0.1 of six: 0.0167, 0.0333, 0.05, 0.0667, 0.0833, 0.1. The fourth smallest is the last below.
    p_value = np.array([0.9, 0.06, 0.001, 0.04, 0.086, 0.065])

    assert dependence._discoveries(p_value, 0.1).tolist() == [False, True, True, True, False, True]
    assert not dependence._discoveries(np.array([0.2, 0.06, 0.9]), 0.1).any()


def test_the_mean_of_the_strongest_surprises_has_about_uniform_p_values():
    surprise = np.random.default_rng(0).exponential(size=(60, 1, 41, 41))
    surprise[..., np.arange(41), np.arange(41)] = 0
    p_value = np.concatenate([dependence._strongest_pairs(table) for table in surprise])

    for chance in (0.5, 0.1, 0.01):
        assert (p_value < chance).mean() == pytest.approx(chance, rel=0.3)
    twice = dependence._strongest_pairs(np.concatenate([surprise[0], np.zeros_like(surprise[0])]))
    assert twice == pytest.approx(2 * p_value[:41])  # the better of two looks


@pytest.mark.parametrize("kind", ["plain", "shared_factor", "unequal"])
@pytest.mark.parametrize("gaps", [0, 0.1])
def test_of_wide_tables_some_features_are_clustered_and_the_others_put_to_those(monkeypatch, kind, gaps):
    table = planted(kind, seed=510, features=120)
    values, truth = table.values.copy(), table.category
    values[np.random.default_rng(0).random(values.shape) < gaps] = np.nan
    monkeypatch.setattr(dependence, "CLUSTERED", 70)
    monkeypatch.setattr(dependence, "BLOCK", 30)
    found = group_by_dependence(values, None, seed=0)
    belongs = truth >= 0
    assert (found.clustered, found.num_categories) == (70, table.num_categories)
    assert adjusted_rand_score(truth[belongs], found.grouping[belongs]) >= 0.98
    assert not found.is_noise[belongs].any()
