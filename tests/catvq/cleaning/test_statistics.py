import numpy as np
import pytest

from catvq.cleaning import statistics
from catvq.cleaning.statistics import Bounds, evenly_spaced, fit_bounds, fit_moments
from catvq.config import CleaningSettings
from catvq.features.precision import SINGLE


def table(*features):
    return np.array(features, dtype=np.float32).T


def by_mad(threshold):
    return CleaningSettings(outlier_threshold=threshold)


def bounds_of(*features, missing="median", threshold=5.0, outliers=None):
    values = table(*features)
    if outliers is None and threshold is not None:
        outliers = by_mad(threshold)
    return fit_bounds(values, np.arange(len(values)), missing, outliers)


def test_bounds_are_the_median_plus_and_minus_robust_deviations():
    # median 3, MAD 1, q5 1.2, q95 4.8: the larger deviation is 1.4826
    bounds = bounds_of([1, 2, 3, 4, 5], threshold=2.0)

    assert bounds.lower[0] == pytest.approx(3 - 2 * 1.4826)
    assert bounds.upper[0] == pytest.approx(3 + 2 * 1.4826)


def test_bounds_of_a_feature_that_is_mostly_zero_follow_its_quantiles():
    # 10 of 100 are 1: MAD 0, q5 0, q95 1
    bounds = bounds_of([0] * 90 + [1] * 10)

    assert bounds.lower[0] == pytest.approx(-5 / 3.29)
    assert bounds.upper[0] == pytest.approx(5 / 3.29)


def test_a_feature_whose_robust_deviations_are_zero_is_held_within_its_training_range():
    bounds = bounds_of([0] * 97 + [1, 50, -3])

    assert bounds.lower[0] == -3
    assert bounds.upper[0] == 50


def test_bounds_by_quartiles_are_beyond_them():
    # quartiles 2 and 4
    bounds = bounds_of([1, 2, 3, 4, 5], outliers=CleaningSettings(outliers="iqr", outlier_threshold=1.5))

    assert (bounds.lower[0], bounds.upper[0]) == (-1, 7)


def test_bounds_by_percentiles_are_these():
    config = CleaningSettings(outliers="percentile", outlier_percentiles=(10, 75))
    bounds = bounds_of(range(101), outliers=config)

    assert (bounds.lower[0], bounds.upper[0]) == (10, 75)


@pytest.mark.parametrize("method", ["iqr", "percentile"])
def test_rare_values_stay_where_a_method_sees_no_spread(method):
    config = CleaningSettings(outliers=method, outlier_percentiles=(10, 90))
    bounds = bounds_of([0] * 97 + [1, 50, -3], outliers=config)

    assert (bounds.lower[0], bounds.upper[0]) == (-3, 50)


def test_missing_values_count_neither_for_the_bounds_nor_for_the_fill():
    nan = np.nan
    with_gaps = bounds_of([nan, 1, 2, nan, 3, 4, 5, nan])
    without = bounds_of([1, 2, 3, 4, 5])

    assert (with_gaps.fill, with_gaps.lower, with_gaps.upper) == (without.fill, without.lower, without.upper)


@pytest.mark.parametrize(("missing", "fill"), [("median", 2.5), ("mean", 3.0), ("zero", 0.0)])
def test_the_fill_is_the_statistic_that_was_asked_for(missing, fill):
    assert bounds_of([1, 2, np.nan, 3, 6], missing=missing, threshold=None).fill[0] == fill


def test_a_fill_is_held_within_the_bounds():
    bounds = bounds_of([1000, 1001, 1002, np.nan], missing="zero", threshold=2.0)

    assert bounds.fill[0] == bounds.lower[0] > 990


@pytest.mark.parametrize("missing", ["median", "mean", "zero"])
def test_a_feature_without_any_value_is_filled_with_zero(missing):
    bounds = bounds_of([np.nan] * 4, [1, 2, 3, 4], missing=missing)

    assert bounds.fill[0] == 0


def test_the_largest_float32_numbers_have_finite_bounds():
    largest = np.finfo(np.float32).max
    bounds = bounds_of([largest, -largest, -largest, 0, -largest])

    assert np.isfinite([bounds.fill, bounds.lower, bounds.upper]).all()


def test_bounds_do_not_depend_on_how_many_features_are_read_at_once(monkeypatch):
    values = np.random.default_rng(0).standard_normal((50, 7)).astype(np.float32)
    whole = fit_bounds(values, np.arange(50), "mean", by_mad(3.0))
    monkeypatch.setattr(statistics, "CHUNK_CELLS", 100)
    parts = fit_bounds(values, np.arange(50), "mean", by_mad(3.0))

    for name in ("fill", "lower", "upper"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_closed_bounds_never_touch_a_given_bound_and_hold_the_rest_far_out():
    given = Bounds(
        fill=np.zeros(2, np.float32),
        lower=np.array([-1, -SINGLE.largest], np.float32),
        upper=np.array([1, SINGLE.largest], np.float32),
    )
    closed = given.closed(np.array([0.0, 3.0]), np.array([1.0, 2.0]))

    assert closed.lower.tolist() == [-1, np.float32(3 - 2e6)]
    assert closed.upper.tolist() == [1, np.float32(3 + 2e6)]


def open_bounds(count, fill=0.0):
    reach = np.full(count, SINGLE.largest, np.float32)
    return Bounds(fill=np.full(count, fill, np.float32), lower=-reach, upper=reach)


@pytest.mark.parametrize("cells", [6, 30, 10_000])
def test_moments_of_chunks_are_those_of_the_whole(monkeypatch, cells):
    monkeypatch.setattr(statistics, "CHUNK_CELLS", cells)
    values = (1e5 + np.random.default_rng(1).standard_normal((101, 3))).astype(np.float32)
    moments = fit_moments(values, np.arange(101), open_bounds(3))

    exact = values.astype(np.float64)
    np.testing.assert_allclose(moments.mean, exact.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(moments.deviation, exact.std(axis=0), rtol=1e-9)


def test_moments_are_those_of_the_clipped_values_that_are_there_of_the_rows_asked_for():
    values = table([1, np.nan, 9, 100], [-7, 2, 2, 100])
    bounds = Bounds(
        fill=np.array([3, 0], np.float32),
        lower=np.array([0, 0], np.float32),
        upper=np.array([5, 5], np.float32),
    )
    moments = fit_moments(values, np.array([0, 1, 2]), bounds)

    assert moments.mean == pytest.approx([3, 4 / 3])  # of 1, 5 and of 0, 2, 2
    assert moments.deviation == pytest.approx([2, np.sqrt(8 / 9)])
    assert moments.missing.tolist() == [1, 0]
    assert moments.clipped.tolist() == [1, 1]


def constant(feature, threshold=1e-8, dtype=np.float32):
    values = np.array([feature], dtype=dtype).T
    return bool(fit_moments(values, np.arange(len(values)), open_bounds(1)).is_constant(threshold)[0])


def test_a_feature_is_constant_by_its_variation_and_not_by_its_unit():
    noise = np.random.default_rng(2).standard_normal(500)

    assert not constant(1e-6 * noise)
    assert not constant(1e-30 * noise)
    assert not constant(101_325 + 5 * noise)  # air pressure in pascal
    assert constant(1e6 + 0.05 * noise)  # float32 is 0.06 apart there
    assert constant(1 + 1e-5 * noise)
    assert not constant(1 + 1e-5 * noise, threshold=0)
    assert constant(1e-3 * (1 + 1e-5 * noise))
    assert constant(np.full(500, 0.1))
    assert constant(np.zeros(500))
    assert constant(1e-39 * noise)  # its inverse scale is not a float32


def test_a_float64_feature_varies_if_its_precision_tells_its_values_apart():
    noise = np.random.default_rng(2).standard_normal(500)
    steps = np.arange(500)

    for column in (2460310.5 + steps / 4, 1.7e9 + 1e-3 * steps, 101_325 + 1e-6 * noise, 1e-46 * noise):
        assert not constant(column, dtype=np.float64)
    assert constant(2460310.5 + 1e-10 * noise, dtype=np.float64)  # float64 is 5e-10 apart there
    assert constant(1e-160 * noise, dtype=np.float64)  # its square is not a float64
    assert constant(0.5 + 0.05 * noise, threshold=0.1, dtype=np.float64)


@pytest.mark.parametrize("rows", [500, 300_000])
@pytest.mark.parametrize("level", [0.1, 2460310.7, -1e-40])
def test_equal_float64_values_are_constant_however_many_there_are(rows, level):
    values = np.full((rows, 1), level)
    moments = fit_moments(values, np.arange(rows), fit_bounds(values, np.arange(rows), "zero", None))

    assert moments.is_constant(0.0)[0]
    assert moments.mean[0] == pytest.approx(level, rel=1e-15)


def test_bounds_of_float64_values_keep_their_digits():
    values = 2460310.5 + np.arange(101)[:, None] / 4
    bounds = fit_bounds(values, np.arange(101), "median", by_mad(5.0))

    assert bounds.fill.dtype == bounds.lower.dtype == np.float64
    assert bounds.fill[0] == 2460323.0  # the 51st of the 101
    assert bounds.lower[0] < 2460310.5


def test_evenly_spaced_rows_are_distinct_and_reach_both_ends():
    rows = np.arange(100, 1107)
    chosen = evenly_spaced(rows, 50)

    assert len(set(chosen.tolist())) == 50
    assert chosen[0] == 100
    assert chosen[-1] == 1106
    assert evenly_spaced(rows, 2000) is rows
