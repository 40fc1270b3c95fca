"""Series of any length and grids, as families of a table."""

import numpy as np
import pytest

from catvq.errors import ConfigError, ShapeError
from catvq.features.sequences import Grids, Series
from catvq.features.table import FeatureTable

VALUES = np.arange(10, dtype=np.float32).reshape(5, 2)
FEATURES = ("age", "ecg/0", "ecg/1", "image/0")
FAMILIES = {"tabular": ("age",), "ecg": ("ecg/0", "ecg/1"), "image": ("image/0",)}


def series(*offsets):
    return Series.divide(VALUES, np.array(offsets, dtype=np.int64))


def table(**changes):
    others = {"ecg": series(0, 2, 2, 5), "image": Grids(np.zeros((3, 1, 4, 6), dtype=np.float32))}
    parts = {"values": np.zeros((3, 1), dtype=np.float32), "features": FEATURES, "families": FAMILIES}
    return FeatureTable(**parts | {"others": others} | changes)


def test_each_row_of_a_family_of_series_has_a_length_of_its_own():
    assert series(0, 2, 2, 5).lengths.tolist() == [2, 0, 3]
    assert (series(0, 2, 2, 5).num_rows, series(0, 2, 2, 5).num_channels) == (3, 2)


@pytest.mark.parametrize("offsets", [[], [1, 5], [0, 4], [0, 3, 2, 5], [[0, 5]]])
def test_offsets_that_do_not_divide_the_values_are_refused(offsets):
    with pytest.raises(ShapeError, match="offsets must rise from 0 to the number of steps, 5"):
        series(*offsets)


@pytest.mark.parametrize("shape", [(5,), (5, 0), (5, 2, 1)])
def test_series_have_two_dimensions(shape):
    with pytest.raises(ShapeError, match="needed 2 dimensions"):
        Series.divide(np.zeros(shape, dtype=np.float32), np.array([0, 5]))


def test_grids_have_four_dimensions_of_float32():
    assert Grids(np.zeros((2, 1, 4, 6), dtype=np.float32)).shape == (4, 6)
    with pytest.raises(ShapeError, match="needed 4 dimensions"):
        Grids(np.zeros((2, 4, 6), dtype=np.float32))
    with pytest.raises(ConfigError, match="must be float32, got float64"):
        Grids(np.zeros((2, 1, 4, 6)))


def test_channels_are_features_after_those_of_the_table():
    assert table().features[1:] == ("ecg/0", "ecg/1", "image/0")
    alone = table(
        values=np.zeros((3, 0), dtype=np.float32),
        features=FEATURES[1:],
        families={name: FAMILIES[name] for name in ("ecg", "image")},
    )
    assert alone.family_of_feature().tolist() == [0, 0, 1]


def test_channels_in_another_place_are_refused():
    with pytest.raises(ConfigError, match="channels of series and grids must be the last"):
        table(features=("ecg/0", "ecg/1", "image/0", "age"))


@pytest.mark.parametrize("name", ["rows", "codes", "/ecg", "image.lengths"])
def test_names_that_a_models_files_need_are_refused(name):
    channels = (f"{name}/0", f"{name}/1")
    others = {name: series(0, 2, 2, 5), "image": series(0, 2, 2, 5)}
    with pytest.raises(ConfigError, match="cannot have these names"):
        table(
            values=np.zeros((3, 0), dtype=np.float32),
            features=(*channels, "image/0", "image/1"),
            families={name: channels, "image": ("image/0", "image/1")},
            others=others,
        )


def test_families_of_other_lengths_are_refused():
    with pytest.raises(ShapeError, match="family 'ecg' needs 3 rows of 2 channels"):
        table(others={"ecg": series(0, 5), "image": Grids(np.zeros((3, 1, 4, 6), dtype=np.float32))})
    with pytest.raises(ShapeError, match="4 features need that many columns"):
        table(others={})
