import numpy as np
import pytest

from catvq.grouping.rate_distortion import GaussianCode, gaussian_error

PAIRS = np.array([0, 0, 1, 1])


def added_precision(covariance, bits):
    """Precision that the optimal code of so many bits adds about the features, [n, n]."""
    loadings = GaussianCode.of(covariance, np.arange(len(covariance)), bits).loadings
    return loadings @ loadings.T


def correlated(*pairs, count=4):
    covariance = np.eye(count)
    for a, b, correlation in pairs:
        covariance[a, b] = covariance[b, a] = correlation
    return covariance


def test_each_bit_for_one_feature_halves_its_standard_deviation():
    assert [gaussian_error(np.eye(1), np.zeros(1, int), bits) for bits in (0, 1, 3)] == pytest.approx(
        [1, 1 / 4, 1 / 64]
    )


def test_bits_of_independent_features_are_shared_equally():
    assert gaussian_error(np.eye(2), np.zeros(2, int), 4) == pytest.approx(2**-4)


def test_a_component_that_varies_less_than_the_water_level_gets_no_bits():
    """One bit takes 4 to 1, and 0.5 lies below."""
    precision = added_precision(np.diag([4.0, 0.5]), 1)
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


@pytest.mark.parametrize("bits", [0, 1, 6])
def test_the_error_is_that_of_the_best_linear_estimate_from_all_codes(covariance, bits):
    """The precision that each code adds, inverted as a whole."""
    grouping = np.array([0, 1, 2, 0, 1, 2, 2, 2, 1])
    precision = np.linalg.inv(covariance)
    for category in range(3):
        own = np.ix_(grouping == category, grouping == category)
        precision[own] += added_precision(covariance[own], bits)
    assert gaussian_error(covariance, grouping, bits) == pytest.approx(np.trace(np.linalg.inv(precision)) / 9)
