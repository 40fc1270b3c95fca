import numpy as np

from catvq.dependence.dependence import group_by_dependence
from catvq.features.scores.feature_scores import feature_scores

rng = np.random.default_rng(0)
ROWS = 1000
CAUSE = rng.standard_normal(ROWS)


def indicators(values, number):
    """Normalised columns: centred, their variances add up to 1."""
    columns = np.eye(number)[values] - np.bincount(values, minlength=number) / len(values)
    return (columns / np.sqrt(columns.var(axis=0).sum())).astype(np.float32)


def scored(values, number, others):
    columns = np.concatenate([others, indicators(values, number)], axis=1).astype(np.float32)
    count = others.shape[1]
    return feature_scores(columns, np.append(np.arange(count), np.full(number, count)))[:, -1]


def test_numbers_are_their_own_scores():
    columns = rng.standard_normal((5, 3)).astype(np.float32)

    assert feature_scores(columns, np.arange(3)) is columns


def test_values_of_a_cut_cause_are_put_into_its_order_whatever_their_names():
    place = np.digitize(CAUSE, [-1, 0, 1])
    values = np.array([2, 0, 3, 1])[place]
    scores = scored(values, 4, CAUSE[:, None] + 0.5 * rng.standard_normal((ROWS, 3)))

    assert abs(np.corrcoef(scores, CAUSE)[0, 1]) > 0.9
    assert abs(scores.mean()) < 1e-5
    assert abs(scores.std() - 1) < 1e-5


def test_many_values_that_tell_nothing_have_scores_that_tell_nothing():
    others = rng.standard_normal((ROWS, 10))
    scores = scored(rng.integers(0, 100, ROWS), 100, others)

    assert np.abs(others.T @ scores / ROWS).max() < 4 / np.sqrt(ROWS)


def test_scores_have_nothing_in_common_but_what_the_features_have():
    causes = np.repeat(rng.standard_normal((2, ROWS)), 4, axis=0) + 0.4 * rng.standard_normal((8, ROWS))
    values = [*(np.digitize(cause, [-0.5, 0.5]) for cause in causes), *rng.integers(0, 5, (3, ROWS))]
    columns = np.concatenate([indicators(each, int(each.max()) + 1) for each in values], axis=1)
    owner = np.repeat(np.arange(11), [3] * 8 + [5] * 3)
    found = group_by_dependence(feature_scores(columns, owner), None, seed=0)

    assert found.grouping[:8].tolist() == [0] * 4 + [1] * 4
    assert found.is_noise.tolist() == [False] * 8 + [True] * 3


def test_rows_without_a_value_stay_as_they_are():
    columns = np.concatenate([CAUSE[:, None], indicators(np.digitize(CAUSE, [-1, 1]), 3)], axis=1)
    columns = columns.astype(np.float32)
    gaps, filled = columns.copy(), columns.copy()
    gaps[::4, 1:], filled[::4, 1:] = np.nan, 0
    owner = np.array([0, 1, 1, 1])

    assert np.isnan(feature_scores(gaps, owner)[::4, 1]).all()
    assert (feature_scores(filled, owner)[::4, 1] == 0).all()
    np.testing.assert_array_equal(feature_scores(gaps, owner)[1::4], feature_scores(filled, owner)[1::4])


def test_where_values_are_missing_says_nothing_of_those_that_are_there():
    """Rows are there where one column is high: what they have in common is no difference of their values."""
    level = rng.standard_normal(ROWS)
    values, gaps = np.digitize(CAUSE, [-0.5, 0.5]), level < 0.5
    columns = np.column_stack([CAUSE + 0.5 * rng.standard_normal(ROWS), 3 * level, indicators(values, 3)])
    columns[gaps, 2:] = np.nan
    scores = feature_scores(columns.astype(np.float32), np.array([0, 1, 2, 2, 2]))[~gaps, 2]

    assert abs(np.corrcoef(scores, CAUSE[~gaps])[0, 1]) > 0.85


def test_a_feature_without_others_has_its_first_column():
    columns = indicators(rng.integers(0, 3, ROWS), 3)

    np.testing.assert_array_equal(feature_scores(columns, np.zeros(3, np.int64))[:, 0], columns[:, 0])
