import numpy as np
import pytest
from scipy.stats import chi2

from catvq.dependence.partial_correlation import (
    conditional_evidence,
    marginal_strength,
    null_variance,
    whitened,
)
from catvq.dependence.rank_scores import cosines, rank_kurtosis, ranks

COSINES = range(1, 5)


def table(rows, features, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, features)).astype(np.float32)


def linear(values):
    return conditional_evidence(whitened(values[:, :, None]), rank_kurtosis(ranks(values)))


def of_cosines(values):
    rank = ranks(values)
    return conditional_evidence(whitened(cosines(rank, COSINES)), rank_kurtosis(rank))


def pairs(matrix):
    return matrix[np.triu_indices(len(matrix), 1)]


def test_whitened_functions_are_centred_of_unit_variance_and_uncorrelated_within_a_feature():
    blocks = whitened(cosines(ranks(table(300, 3)) ** 2, COSINES))

    assert blocks.rank.tolist() == [4, 4, 4]
    assert blocks.columns.mean(axis=0) == pytest.approx(np.zeros((3, 4)), abs=1e-5)
    for feature in range(3):
        columns = blocks.columns[:, feature]
        assert columns.T @ columns / 300 == pytest.approx(np.eye(4), abs=1e-3)


def test_a_feature_has_fewer_functions_than_it_has_values_and_a_constant_has_none():
    values = np.stack([np.arange(300) % 2, np.arange(300) % 3, np.zeros(300)], axis=1).astype(np.float32)
    blocks = whitened(cosines(ranks(values), COSINES))

    assert blocks.rank.tolist() == [1, 2, 0]
    assert (blocks.columns.std(axis=0) > 0.5).sum(axis=1).tolist() == [1, 2, 0]
    assert (blocks.columns[:, 2] == 0).all()


def test_strength_is_the_squared_partial_correlation_above_the_cut():
    chain = table(60, 4)
    chain[:, 1] += chain[:, 0]
    chain[:, 2] += chain[:, 1]
    chain /= chain.std(axis=0)
    ridge = 4 / 60
    precision = np.linalg.inv(np.corrcoef(chain.T) + ridge * np.eye(4))
    squared = precision**2 / np.outer(np.diag(precision), np.diag(precision))
    above = squared - null_variance(3, 60, ridge) * (1 + np.sqrt(2))
    np.fill_diagonal(above, 0)

    assert linear(chain).strength == pytest.approx(np.maximum(above, 0), abs=1e-5)


def test_a_common_factor_is_given_away_by_the_others():
    values = table(4000, 12) + table(4000, 1, seed=1)
    values[:, 1] += values[:, 0]
    strength = linear(values / values.std(axis=0)).strength

    assert strength[0, 1] > 10 * np.delete(pairs(strength), 0).max()


@pytest.mark.parametrize("features", [2, 9])
def test_evidence_is_symmetric_with_a_zero_diagonal_and_not_negative(features):
    found = of_cosines(table(200, features))
    for matrix in (found.strength, found.surprise):
        assert (matrix == matrix.T).all()
        assert (np.diag(matrix) == 0).all()
        assert matrix.min() >= 0
        assert np.isfinite(matrix).all()


@pytest.mark.parametrize(("features", "rows"), [(2, 400), (40, 400), (80, 60), (30, 30)])
def test_null_variance_is_that_of_simulated_independent_columns(features, rows):
    ridge = features / rows
    squares = []
    for seed in range(20):
        values = table(rows, features, seed)
        precision = np.linalg.inv(np.corrcoef(values.T) + ridge * np.eye(features))
        squares.append(pairs(precision**2 / np.outer(np.diag(precision), np.diag(precision))).mean())

    tolerance = max(0.05, 4 * np.std(squares) / np.mean(squares) / np.sqrt(20))
    assert null_variance(features - 1, rows, ridge) == pytest.approx(np.mean(squares), rel=tolerance)


def test_null_variance_of_many_rows_is_one_in_as_many():
    assert null_variance(10, 1_000_000, 1e-5) == pytest.approx(1e-6, rel=1e-4)


def independent(kind, rows, features):
    random = np.random.default_rng(5)
    return {
        "normal": lambda: random.standard_normal((rows, features)),
        "binary": lambda: random.integers(0, 2, (rows, features)),
        "three_values": lambda: random.integers(0, 3, (rows, features)),
    }[kind]().astype(np.float32)


@pytest.mark.parametrize("kind", ["normal", "binary", "three_values"])
@pytest.mark.parametrize("rows", [100, 2000])
def test_p_values_of_independent_features_are_about_uniform(kind, rows):
    p_value = np.exp(-pairs(of_cosines(independent(kind, rows, 60)).surprise))

    for chance in (0.01, 0.1, 0.5):
        deviation = np.sqrt(chance / len(p_value))
        assert (p_value < chance).mean() < chance + max(4 * deviation, 0.2 * chance)
    assert 0.4 < p_value.mean() < 0.65


def test_surprise_is_minus_the_logarithm_of_the_p_value():
    values = table(1000, 2)
    values[:, 1] += 0.1 * values[:, 0]
    r = np.corrcoef(values.T)[0, 1] / (1 + 2 / 1000)
    expected = -np.log(chi2.sf(r**2 / null_variance(1, 1000, 2 / 1000), 1))

    assert linear(values / values.std(axis=0)).surprise[0, 1] == pytest.approx(expected, rel=1e-3)


def test_marginal_strength_is_the_squared_correlation_above_the_cut():
    values = table(1000, 3)
    values[:, 1] += 0.5 * values[:, 0]
    values[:, 2] += values[:, 1]
    blocks = whitened((values / values.std(axis=0))[:, :, None])
    found = marginal_strength(blocks, np.full(3, 1.5))
    r = np.corrcoef(values.T)

    assert found == pytest.approx(found.T)
    for pair in ((0, 1), (0, 2), (1, 2)):
        assert found[pair] == pytest.approx(r[pair] ** 2 - (1 + np.sqrt(2)) / 1000, rel=1e-3)
    assert (np.diag(found) == 0).all()


def test_wholly_dependent_features_surprise_finitely():
    values = table(20_000, 2)
    values[:, 1] = values[:, 0]

    assert 500 < linear(values).surprise[0, 1] < 1000


def test_rare_values_that_coincide_once_are_no_surprise():
    values = np.zeros((300, 2), dtype=np.float32)
    values[:3, 0] = values[2:5, 1] = 1
    normalised = (values - values.mean(axis=0)) / values.std(axis=0)

    assert linear(normalised).surprise[0, 1] < -np.log(0.01)  # the chance is 0.03


def test_a_feature_that_never_varies_is_in_no_evidence_and_changes_none():
    values = table(500, 6)
    values[:, 1] += values[:, 0]
    with_constant = np.insert(values, 3, 0, axis=1)
    found, alone = of_cosines(with_constant), of_cosines(values)

    assert (found.strength[3] == 0).all()
    assert (found.surprise[3] == 0).all()
    rest = np.ix_(*[[0, 1, 2, 4, 5, 6]] * 2)
    assert found.strength[rest] == pytest.approx(alone.strength, rel=0.05, abs=0.002)


def test_constants_alone_are_no_evidence():
    found = of_cosines(np.zeros((50, 3), dtype=np.float32))

    assert not found.strength.any()
    assert not found.surprise.any()
