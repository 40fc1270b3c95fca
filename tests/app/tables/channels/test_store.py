"""Series and grids as they are kept."""

import numpy as np
import pytest

from app.problems import InvalidError
from app.tables.channels.arrays import sort_arrays
from app.tables.channels.store import write_channels
from app.tables.columns.options import ReadOptions


@pytest.fixture
def store(limits, tmp_path):
    """Writes arrays of one or more families."""

    def write(arrays, **options):
        found = sort_arrays(arrays, ReadOptions(**options), limits)
        return write_channels(found.channels, tmp_path, limits)

    return write


def test_nothing_padded_is_on_the_disk(store):
    padded = np.arange(12.0).reshape(3, 2, 2)
    (series,) = store({"s": padded, "s.lengths": np.array([2, 0, 1])})
    values = np.load(series.values_path)
    assert (values.dtype, values.tolist()) == (np.float32, [[0, 1], [2, 3], [8, 9]])
    assert np.load(series.offsets_path).tolist() == [0, 2, 2, 3]
    assert series.kind == {
        "family": "s",
        "kind": "series",
        "channels": ["0", "1"],
        "length": {"min": 0, "max": 2},
        "shape": None,
    }
    assert [(odd.code, odd.column, odd.count) for odd in series.warnings] == [("empty_series", "s", 1)]


def test_grids_are_kept_as_they_are(store):
    grids = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    (grid,) = store({"g": grids})
    np.testing.assert_array_equal(np.load(grid.values_path), grids)
    assert (grid.offsets_path, grid.kind["shape"], grid.kind["length"]) == (None, [2, 3], None)


def test_series_of_no_steps_at_all_are_files_that_can_be_opened(store):
    (series,) = store({"s.values": np.empty((0, 2)), "s.offsets": np.zeros(4, np.int64)})
    assert np.load(series.values_path, mmap_mode="r").shape == (0, 2)
    assert [odd.code for odd in series.warnings] == ["empty_series", "empty_column", "empty_column"]


def test_missing_values_and_constant_channels_are_counted(store):
    values = np.array([[1, np.nan, np.nan], [1, 2, np.nan], [1, 3, np.nan]])
    (series,) = store({"s.values": values, "s.offsets": np.array([0, 3])}, channels={"s": ("a", "b", "c")})
    assert series.missing.tolist() == [0, 1, 3]
    told = [(odd.code, odd.column) for odd in series.warnings]
    assert told == [("constant_column", "s/a"), ("missing_values", "s/b"), ("empty_column", "s/c")]


def test_what_single_precision_rounds_too_much_is_told(store):
    seconds = 1.7e9 + np.arange(10.0)
    (series,) = store(
        {"s.values": np.column_stack([seconds, seconds - 1.7e9]), "s.offsets": np.array([0, 10])}
    )
    assert [(odd.code, odd.column) for odd in series.warnings] == [("rounded", "s/0")]


def test_an_infinity_is_refused_with_family_row_position_and_channel(store):
    values = np.zeros((5, 2))
    values[3, 1] = -np.inf
    with pytest.raises(InvalidError) as caught:
        store({"s.values": values, "s.offsets": np.array([0, 0, 2, 5])}, channels={"s": ("x", "y")})
    (place,) = caught.value.places
    assert (place.field, place.column, place.row) == ("s", "s/y", 3)
    assert place.detail == "infinite at position 2"
    grid = np.zeros((2, 1, 2, 3))
    grid[1, 0, 1, 2] = 1e39
    with pytest.raises(
        InvalidError, match=r"row 2, channel 'g/0': 1e\+39 is beyond float32 at position \[2, 3\]"
    ):
        store({"g": grid})


def test_all_families_together_may_have_so_many_values(store):
    half = np.zeros((60, 10**4, 1), np.uint8)
    with pytest.raises(InvalidError) as caught:
        store({"a": half, "b": half})
    assert (caught.value.code, caught.value.places[0].field) == ("too_many_values", "b")
