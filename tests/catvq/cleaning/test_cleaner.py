import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from catvq.cleaning import statistics
from catvq.cleaning.cleaner import FeatureCleaner
from catvq.config import CleaningSettings
from catvq.errors import ConfigError, ShapeError
from catvq.features.columns import FeatureColumns

rng = np.random.default_rng(0)
NOISE = rng.standard_normal((500, 6)).astype(np.float32)
OFF = CleaningSettings(enabled=False)

# Columns of any unit: whole steps around an offset, so that a feature either varies clearly or not at all.
tables = arrays(
    np.int8, st.tuples(st.integers(3, 30), st.integers(2, 6)), elements=st.integers(-20, 20)
).flatmap(
    lambda steps: st.tuples(
        st.just(steps),
        arrays(np.float64, steps.shape[1], elements=st.sampled_from([1e-9, 0.25, 1.0, 1e3, 1e8])),
        arrays(np.bool_, steps.shape, elements=st.booleans()),
    )
)


def build(drawn):
    steps, unit, missing = drawn
    values = (steps * unit).astype(np.float32)
    return np.where(missing & (np.arange(len(values))[:, None] > 1), np.nan, values).astype(np.float32)


def fit_or_none(values, config):
    try:
        return FeatureCleaner.fit(values, config)
    except ConfigError:
        return None


@settings(deadline=None)
@given(tables, st.sampled_from(["mad", "none"]), st.sampled_from(["median", "mean", "zero"]))
def test_restore_undoes_normalize_for_kept_values_within_their_bounds(drawn, outliers, missing):
    values = build(drawn)
    cleaner = fit_or_none(values, CleaningSettings(outliers=outliers, missing=missing))
    if cleaner is None:
        return
    restored = cleaner.restore(cleaner.normalize(values))

    filled = np.where(np.isnan(values), cleaner.fill, values)
    expected = np.clip(filled, cleaner.lower, cleaner.upper)
    size = np.abs(cleaner.centre) + 5 * cleaner.scale
    kept = cleaner.active
    assert (np.abs(restored - expected)[:, kept] <= 1e-5 * (size + np.abs(expected))[:, kept]).all()
    assert restored.shape == values.shape
    assert np.isfinite(restored).all()


@settings(deadline=None)
@given(tables)
def test_a_cleaner_comes_back_from_json_bit_for_bit(drawn):
    values = build(drawn)
    cleaner = fit_or_none(values, CleaningSettings())
    if cleaner is None:
        return
    once = json.loads(json.dumps(cleaner.to_dict(), allow_nan=False))
    again = FeatureCleaner.from_dict(once)

    assert again.to_dict() == cleaner.to_dict()
    assert again.normalize(values).tobytes() == cleaner.normalize(values).tobytes()
    assert (
        again.restore(again.normalize(values)).tobytes()
        == cleaner.restore(cleaner.normalize(values)).tobytes()
    )


@settings(deadline=None)
@given(tables)
def test_every_kept_feature_has_unit_variance_and_every_feature_exactly_one_status(drawn):
    values = build(drawn)
    cleaner = fit_or_none(values, CleaningSettings())
    if cleaner is None:
        return
    observed = cleaner.observed(values).astype(np.float64)

    np.testing.assert_allclose(np.nanstd(observed, axis=0), 1, rtol=1e-4)
    np.testing.assert_allclose(np.nanmean(observed, axis=0), 0, atol=1e-3)
    statuses = [cleaner.status(index) for index in range(values.shape[1])]
    assert [index for index, status in enumerate(statuses) if status == "kept"] == cleaner.active.tolist()


def test_normalize_is_fill_then_clip_then_centre_then_scale_in_float32():
    values = NOISE * 3.7 + 11.1
    values[::7, 2] = np.nan
    values[3, 1] = 1e9
    cleaner = FeatureCleaner.fit(values, CleaningSettings(missing="mean"))
    active = cleaner.active

    x = values[:, active]
    x = np.where(np.isnan(x), cleaner.fill[active], x)
    x = np.minimum(np.maximum(x, cleaner.lower[active]), cleaner.upper[active])
    x = (x - cleaner.centre[active]) * (np.float32(1) / cleaner.scale[active])

    normalized = cleaner.normalize(values)
    assert normalized.dtype == x.dtype == np.float32
    assert normalized.tobytes() == x.tobytes()


def test_float64_values_become_float32_only_once_centred_and_scaled():
    steps, noise = np.arange(400) % 40, NOISE[:400].astype(np.float64)
    values = np.stack([2460310.5 + steps / 4, 101_325 + 0.01 * noise[:, 0], 1e-46 * noise[:, 1]], axis=1)
    cleaner = FeatureCleaner.fit(values, CleaningSettings())
    normalized = cleaner.normalize(values)
    restored = cleaner.restore(normalized)

    assert cleaner.active.tolist() == [0, 1, 2]
    assert normalized.dtype == np.float32
    assert len(np.unique(normalized[:, 0])) == 40
    np.testing.assert_allclose(normalized, (values - values.mean(axis=0)) / values.std(axis=0), atol=1e-5)
    assert restored.dtype == np.float64
    assert (np.abs(restored - values) <= 1e-5 * cleaner.scale).all()
    again = FeatureCleaner.from_dict(json.loads(json.dumps(cleaner.to_dict())))
    assert again.normalize(values).tobytes() == normalized.tobytes()


def test_a_float32_table_makes_a_cleaner_of_float32_and_reads_other_rows_as_such():
    cleaner = FeatureCleaner.fit(NOISE, CleaningSettings())
    doubles = NOISE.astype(np.float64) * 1e300

    assert cleaner.dtype == cleaner.restore(cleaner.normalize(NOISE)).dtype == np.float32
    assert cleaner.normalize(NOISE.astype(np.float64)).tobytes() == cleaner.normalize(NOISE).tobytes()
    assert np.isfinite(cleaner.normalize(doubles)).all()


def test_what_is_observed_is_what_is_normalised_but_for_the_gaps():
    values = NOISE.copy()
    values[:100, 2] = np.nan
    values[:, 4] = 1
    cleaner = FeatureCleaner.fit(values, CleaningSettings())
    observed = cleaner.observed(values)

    is_missing = np.isnan(values[:, cleaner.active])
    assert (np.isnan(observed) == is_missing).all()
    assert (observed[~is_missing] == cleaner.normalize(values)[~is_missing]).all()


def test_constant_and_all_missing_features_are_dropped_and_restored():
    values = np.stack([np.full(500, 4.25), NOISE[:, 0], np.full(500, np.nan)], axis=1).astype(np.float32)
    cleaner = FeatureCleaner.fit(values, CleaningSettings())

    assert [cleaner.status(index) for index in range(3)] == ["constant", "kept", "constant"]
    assert cleaner.active.tolist() == [1]
    restored = cleaner.restore(cleaner.normalize(values))
    assert set(restored[:, 0].tolist()) == {4.25}
    assert set(restored[:, 2].tolist()) == {0.0}


def test_a_duplicate_is_restored_in_its_own_unit_from_its_representative():
    a, b = NOISE[:, 0], NOISE[:, 1]
    values = np.stack([np.zeros(500), a, b, 100 - 20 * a], axis=1).astype(np.float32)
    cleaner = FeatureCleaner.fit(values, CleaningSettings(outliers="none"))

    assert cleaner.representative.tolist() == [-1, 1, 2, 1]
    assert cleaner.position.tolist() == [0, 0, 1, 0]
    assert cleaner.normalize(values).shape == (500, 2)
    np.testing.assert_allclose(cleaner.restore(cleaner.normalize(values))[:, 3], values[:, 3], atol=1e-3)


def test_a_restored_duplicate_is_slope_times_its_representative_plus_intercept():
    fields = FeatureCleaner.fit(NOISE[:, :2] * 3 + 5, CleaningSettings()).to_dict()
    fields |= {"representative": [0, 0], "slope": [1.0, -2.0], "intercept": [0.0, 0.25]}
    cleaner = FeatureCleaner.from_dict(fields)

    restored = cleaner.restore(np.array([[1.5]], np.float32))[0]
    assert restored[0] == pytest.approx(1.5 * cleaner.scale[0] + cleaner.centre[0])
    assert restored[1] == pytest.approx((-2 * 1.5 + 0.25) * cleaner.scale[1] + cleaner.centre[1])


def test_duplicates_cross_families_unless_families_are_given():
    values = np.stack([NOISE[:, 0], -NOISE[:, 0], NOISE[:, 0]], axis=1)
    families = np.array([0, 1, 0])

    assert FeatureCleaner.fit(values, CleaningSettings()).active.tolist() == [0]
    per_family = FeatureCleaner.fit(values, CleaningSettings(), family_of_feature=families)
    assert per_family.representative.tolist() == [0, 1, 0]


def test_families_stay_in_step_when_a_constant_feature_precedes_them():
    values = np.stack([np.zeros(500), NOISE[:, 0], NOISE[:, 0], NOISE[:, 0]], axis=1).astype(np.float32)
    cleaner = FeatureCleaner.fit(values, CleaningSettings(), family_of_feature=np.array([0, 0, 1, 1]))

    assert cleaner.representative.tolist() == [-1, 1, 2, 2]


def test_outliers_are_clipped_and_counted_unless_switched_off():
    values = NOISE.copy()
    values[7, 0] = 1e6
    clipping = FeatureCleaner.fit(values, CleaningSettings())
    leaving = FeatureCleaner.fit(values, CleaningSettings(outliers="none"))

    assert clipping.clipped.tolist() == [1, 0, 0, 0, 0, 0]
    assert clipping.normalize(values)[7, 0] < 10
    assert leaving.clipped.sum() == 0
    assert leaving.restore(leaving.normalize(values))[7, 0] == pytest.approx(1e6, rel=1e-5)


def test_a_mostly_zero_feature_keeps_its_rare_values():
    rare = np.zeros(500)
    rare[:15] = np.linspace(1, 40, 15)
    values = np.stack([rare, NOISE[:, 0]], axis=1).astype(np.float32)
    cleaner = FeatureCleaner.fit(values, CleaningSettings())

    assert cleaner.status(0) == "kept"
    assert cleaner.clipped[0] == 0
    np.testing.assert_allclose(cleaner.restore(cleaner.normalize(values))[:, 0], rare, atol=1e-4)


def test_disabled_cleaning_drops_and_clips_nothing_but_still_fills_and_normalises():
    a = NOISE[:, 0].copy()
    a[3], a[4] = np.nan, 1e4
    narrow = 1 + 1e-5 * NOISE[:, 1]  # constant by the threshold
    values = np.stack([a, a * 2, np.full(500, 5.0), narrow], axis=1).astype(np.float32)
    cleaner = FeatureCleaner.fit(values, OFF)

    normalized = cleaner.normalize(values)
    assert cleaner.active.tolist() == [0, 1, 2, 3]
    assert cleaner.clipped.sum() == 0
    assert cleaner.scale[2] == 1
    assert set(normalized[:, 2].tolist()) == {0.0}
    np.testing.assert_allclose(np.nanstd(cleaner.observed(values)[:, [0, 1, 3]], axis=0), 1, rtol=1e-4)
    assert cleaner.restore(normalized)[3, 0] == pytest.approx(np.nanmedian(a), abs=1e-4)


@pytest.mark.parametrize("config", [CleaningSettings(), OFF, CleaningSettings(outliers="none")])
def test_any_row_to_encode_normalises_to_finite_numbers(config):
    values = NOISE * np.array([1e-30, 1e-6, 1, 1e6, 1e30, 1e37], dtype=np.float32)
    cleaner = FeatureCleaner.fit(values, config)
    largest = np.finfo(np.float32).max
    rows = np.array([[largest] * 6, [-largest] * 6, [np.nan] * 6, [1e-45] * 6], dtype=np.float32)

    assert np.isfinite(cleaner.normalize(rows)).all()
    assert np.isfinite(cleaner.restore(cleaner.normalize(rows))).all()


def test_the_cleaning_of_chosen_rows_of_a_mapped_file_is_that_of_the_rows_themselves(tmp_path):
    np.save(tmp_path / "values.npy", NOISE)
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    rows = rng.permutation(500)[:200]
    chosen = FeatureCleaner.fit(mapped, CleaningSettings(), rows=rows)

    assert chosen.to_dict() == FeatureCleaner.fit(NOISE[np.sort(rows)], CleaningSettings()).to_dict()
    assert chosen.rows == 200


def test_the_order_of_the_chosen_rows_changes_nothing(monkeypatch):
    monkeypatch.setattr(statistics, "QUANTILE_ROWS", 20)
    shuffled = FeatureCleaner.fit(NOISE, CleaningSettings(), rows=rng.permutation(500))

    assert shuffled.to_dict() == FeatureCleaner.fit(NOISE, CleaningSettings()).to_dict()


def test_a_fitted_cleaner_cannot_be_changed():
    cleaner = FeatureCleaner.fit(NOISE, CleaningSettings())

    with pytest.raises(ValueError, match="read-only"):
        cleaner.centre[0] = 3


def test_a_table_in_which_nothing_varies_is_refused():
    with pytest.raises(ConfigError, match="none of the 3 features varies over the 10 training rows"):
        FeatureCleaner.fit(np.ones((10, 3), np.float32), CleaningSettings())


def test_rows_of_another_width_are_refused():
    cleaner = FeatureCleaner.fit(NOISE, CleaningSettings())

    with pytest.raises(ShapeError, match=r"6 values each, got shape \(2, 5\)"):
        cleaner.normalize(np.zeros((2, 5), np.float32))
    with pytest.raises(ShapeError, match="6 values each"):
        cleaner.restore(np.zeros((2, 7), np.float32))
    with pytest.raises(ShapeError, match="rows and columns"):
        FeatureCleaner.fit(np.zeros((0, 5), np.float32), CleaningSettings())


@pytest.mark.parametrize("missing", ["mean", "median"])
def test_a_row_of_weight_2_counts_in_means_and_deviations_as_if_it_were_there_twice(missing):
    values = np.column_stack([NOISE[:100], np.arange(100) % 3]).astype(np.float32)
    values[::7, 2] = values[::9, -1] = np.nan
    columns = FeatureColumns.tabular(np.array([0] * NOISE.shape[1] + [3]))
    weights = np.where(np.arange(100) < 30, 2.0, 1.0)
    config = CleaningSettings(missing=missing, outliers="none")

    weighed = FeatureCleaner.fit(values, config, columns=columns, weights=weights)
    twice = FeatureCleaner.fit(np.concatenate([values, values[:30]]), config, columns=columns)

    assert weighed.centre == pytest.approx(twice.centre, rel=1e-5)
    assert weighed.scale == pytest.approx(twice.scale, rel=1e-5)
    if missing == "mean":
        assert weighed.fill == pytest.approx(twice.fill, rel=1e-4, abs=1e-6)


def test_weights_are_the_variances_of_features_and_restored_values_stay_the_same():
    values = NOISE[:, :4].copy()
    values[:, 3] = 5 - 2 * values[:, 0]  # repeats the first, and weighs as it does
    weights = np.array([2.0, 0.5, 0.5, 1.0])
    plain = FeatureCleaner.fit(values, CleaningSettings())
    weighted = FeatureCleaner.fit(values, CleaningSettings(), feature_weights=weights)
    rows = weighted.normalize(values)
    np.testing.assert_allclose(rows.var(axis=0), weights[:3], rtol=1e-5)
    np.testing.assert_array_equal(weighted.active, plain.active)
    np.testing.assert_allclose(weighted.restore(rows), plain.restore(plain.normalize(values)), atol=1e-5)
