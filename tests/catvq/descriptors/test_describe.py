"""Descriptors of series and grids: what they are, and what changes none of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kurtosis, skew

from catvq.descriptors.describe import Describer
from catvq.descriptors.family import ChannelFamily
from catvq.descriptors.names import GRID, SERIES

NAN = np.nan
SIGNALS = ChannelFamily("s", ("a", "b"), None)
JUNK = np.array([NAN, np.inf, -np.inf, 1e38, 0, -7], dtype=np.float32)


@pytest.fixture(scope="module")
def describer():
    return Describer(SIGNALS, threads=1)


def of_series(describer, *rows, room=0, junk=NAN):
    """Descriptors of rows [T, 2] in one batch, padded to the longest and further."""
    lengths = np.array([len(row) for row in rows])
    values = np.full((len(rows), max(lengths) + room, 2), junk, dtype=np.float32)
    for place, row in enumerate(rows):
        values[place, : len(row)] = row
    return describer.describe({"s": values, "s.lengths": lengths})


def named(described, names=SERIES):
    return dict(zip(names, described.tolist(), strict=True))


def walk(length, seed=0):
    return np.random.default_rng(seed).standard_normal((length, 2)).cumsum(axis=0).astype(np.float32)


def test_descriptors_are_what_they_are_called(describer):
    row = walk(300)
    found, values = named(of_series(describer, row)[0, 0]), row[:, 0].astype(np.float64)
    unit = (values - values.mean()) / values.std()
    thirds = np.array([part.mean() for part in np.split(values.repeat(16), 16)])

    assert found["mean"] == pytest.approx(values.mean())
    assert found["deviation"] == pytest.approx(np.sqrt(values.std()))
    assert found["skewness"] == pytest.approx(np.sign(skew(values)) * np.log1p(abs(skew(values))))
    assert found["kurtosis"] == pytest.approx(np.log(kurtosis(values, fisher=False)))
    assert (found["minimum"], found["maximum"]) == (values.min(), values.max())
    for percent in (10, 25, 50, 75, 90):
        assert found[f"quantile_{percent}"] == pytest.approx(np.percentile(values, percent), abs=1e-6)
    assert (found["first"], found["last"]) == (values[0], values[-1])
    assert found["lag_4"] == pytest.approx((unit[4:] * unit[:-4]).mean())
    curve = [found[f"curve_{part}"] for part in range(16)]
    assert np.allclose(curve, thirds - values.mean(), atol=1e-5)


def test_a_wave_is_found_in_its_band_and_at_its_lag(describer):
    time = np.arange(256)
    wave = np.stack([np.sin(2 * np.pi * 6 * time / 256), np.sin(2 * np.pi * time / 4)], axis=1)
    slow, fast = (named(each) for each in of_series(describer, wave)[0])

    assert slow["waves_8"] == pytest.approx(1, abs=0.02)
    assert max(slow["waves_4"], slow["waves_16"]) < 0.1
    assert fast["waves_more"] > 0.9
    assert fast["lag_2"] == pytest.approx(-1)
    assert fast["lag_4"] == pytest.approx(1)


def test_a_trend_has_a_slope_and_a_saw_rises_otherwise_than_it_falls(describer):
    time = np.arange(100)
    row = np.stack([3 * time / 100, -(time % 10)], axis=1)
    trend, saw = (named(each) for each in of_series(describer, row)[0])

    assert trend["slope"] == pytest.approx(3, rel=1e-3)
    assert trend["rise_skewness"] == pytest.approx(np.log(2), rel=1e-3)  # all steps are equal
    assert saw["rise_skewness"] > 0.5


def test_what_is_missing_inside_is_left_out(describer):
    row = walk(60)
    gaps = row.copy()
    gaps[20:40, 0] = NAN
    found = named(of_series(describer, gaps)[0, 0])
    left = gaps[~np.isnan(gaps[:, 0]), 0].astype(np.float64)

    assert found["mean"] == pytest.approx(left.mean())
    assert found["curve_8"] == 0  # nothing of it is there: as the mean
    unit = (gaps[:, 0].astype(np.float64) - left.mean()) / left.std()
    assert found["lag_1"] == pytest.approx(np.nanmean(unit[1:] * unit[:-1]))


def test_a_channel_without_values_has_no_descriptors(describer):
    row = walk(5)
    row[:, 1] = NAN
    found = of_series(describer, np.empty((0, 2)), row)

    assert np.isnan(found[0]).all()
    assert np.isnan(found[1, 1]).all()
    assert np.isfinite(found[1, 0]).all()
    assert np.isnan(of_series(describer, np.empty((0, 2)))).all()


@pytest.mark.parametrize("value", [0.1, -1e6, 1e38])
@pytest.mark.parametrize("length", [1, 2, 100])
def test_a_constant_has_exactly_no_shape(describer, value, length):
    found = named(of_series(describer, np.full((length, 2), value))[0, 0])

    level = {"mean", "minimum", "maximum", "first", "last", *(name for name in SERIES if "quantile" in name)}
    for name, number in found.items():
        if name in level:
            assert number == pytest.approx(value)
        else:
            assert number == (np.float32(1e-3) if name.startswith("waves") else 0)


rows_of_series = st.lists(
    st.tuples(st.sampled_from([0, 1, 2, 3, 8, 33, 100]), st.integers(0, 9)), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None)
@given(rows=rows_of_series, room=st.integers(0, 70), junk=st.sampled_from(JUNK.tolist()))
def test_neither_neighbours_nor_padding_nor_what_stands_there_change_a_bit(describer, rows, room, junk):
    values = [walk(length, seed) * 10.0 ** (seed - 4) for length, seed in rows]
    together = of_series(describer, *values, room=room, junk=junk)
    alone = np.concatenate([of_series(describer, each) for each in values])

    assert np.array_equal(together, alone, equal_nan=True)


def test_a_long_series_among_short_ones_changes_no_bit(describer):
    values = [walk(8, 1), walk(4096, 2), walk(2, 3)]
    together = of_series(describer, *values)

    assert np.isfinite(together).all()
    assert np.array_equal(together, np.concatenate([of_series(describer, each) for each in values]))


def test_a_grid_is_described_by_its_cells_lags_and_waves():
    family = ChannelFamily("g", ("x",), (16, 24))
    rng = np.random.default_rng(0)
    values = rng.standard_normal((3, 1, 16, 24)).astype(np.float32)
    values[1, 0] = np.sin(2 * np.pi * np.arange(24) / 12)
    found = Describer(family, threads=1).describe({"g": values})
    noise, stripes = (named(found[row, 0], GRID) for row in range(2))
    block = values[0, 0].astype(np.float64)

    assert noise["mean"] == pytest.approx(block.mean(), abs=1e-7)
    assert noise["cell_2_3"] == pytest.approx(block[4:6, 9:12].mean() - block.mean(), rel=1e-5)
    assert stripes["lag_down_4"] == pytest.approx(1)
    assert stripes["lag_right_1"] == pytest.approx(np.cos(2 * np.pi / 12), abs=0.05)
    assert stripes["waves_2"] > 0.95


def test_the_smallest_grid_has_descriptors_and_an_empty_one_has_none():
    values = np.array([[[[4.0]]], [[[NAN]]]], dtype=np.float32)
    found = Describer(ChannelFamily("g", ("x",), (1, 1)), threads=1).describe({"g": values})

    assert found[0, 0, 0] == 4
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


def test_other_grids_of_a_batch_change_no_bit():
    describer = Describer(ChannelFamily("g", ("x", "y"), (11, 7)), threads=1)
    values = np.random.default_rng(1).standard_normal((9, 2, 11, 7)).astype(np.float32)
    values[3, 0, 2:5] = NAN
    together = describer.describe({"g": values})
    alone = np.concatenate([describer.describe({"g": values[i : i + 1]}) for i in range(9)])

    assert np.array_equal(together, alone)
