"""Arrays of NPZ and HDF5 as tables, series and grids."""

import numpy as np
import pytest

from app.problems import InvalidError
from app.tables.channels.arrays import sort_arrays
from app.tables.columns.options import ReadOptions

STEPS = np.arange(6.0).reshape(3, 2)


def values(family):
    return np.concatenate(list(family.blocks()))


@pytest.fixture
def sort(limits):
    """Sorts arrays; keywords are options of reading."""
    return lambda arrays, **options: sort_arrays(
        {name: np.asarray(array) for name, array in arrays.items()}, ReadOptions(**options), limits
    )


def test_shapes_tell_tables_series_and_grids_apart(sort):
    found = sort({"a": np.ones(2), "b": np.ones((2, 3)), "s": np.ones((2, 4, 3)), "g": np.ones((2, 3, 5, 4))})
    assert {name: array.shape for name, array in found.tables.items()} == {"a": (2, 1), "b": (2, 3)}
    series, grid = found.channels["s"], found.channels["g"]
    assert (series.kind, series.channels, series.lengths.tolist()) == ("series", ("0", "1", "2"), [4, 4])
    assert (series.shape, series.stored_shape) == (None, (8, 3))
    assert (grid.kind, grid.channels, grid.shape, grid.lengths) == ("grid", ("0", "1", "2"), (5, 4), None)
    assert grid.stored_shape == (2, 3, 5, 4)


def test_lengths_end_padded_series_whatever_stands_beyond(sort):
    padded = np.array([[[0, 1], [np.inf, 9]], [[2, 3], [4, 5]], [[7, 7], [7, 7]]])
    found = sort({"s": padded, "s.lengths": [1, 2, 0]}).channels["s"]
    assert found.lengths.tolist() == [1, 2, 0]
    np.testing.assert_array_equal(values(found), STEPS)


def test_values_and_offsets_are_the_same_series(sort):
    found = sort({"s.values": STEPS, "s.offsets": [0, 1, 3, 3]})
    assert (list(found.channels), found.tables) == (["s"], {})
    assert found.channels["s"].lengths.tolist() == [1, 2, 0]
    np.testing.assert_array_equal(values(found.channels["s"]), STEPS)
    one = sort({"s.values": STEPS[:, 0], "s.offsets": [0, 3]}).channels["s"]
    assert (one.channels, values(one).tolist()) == (("0",), [[0], [2], [4]])


def test_a_kind_decides_where_the_shape_does_not(sort):
    arrays = {"s": np.ones((2, 5)), "g": np.ones((2, 4, 3))}
    found = sort(arrays, kinds={"s": "series", "g": "grid"})
    assert (found.channels["s"].channels, found.channels["s"].lengths.tolist()) == (("0",), [5, 5])
    assert (found.channels["g"].channels, found.channels["g"].shape) == (("0",), (4, 3))
    assert list(sort(arrays, kinds={"s": "tabular"}).tables) == ["s"]


def test_channels_are_called_as_they_were_named(sort):
    found = sort({"s": np.ones((2, 5, 2))}, channels={"s": ("x", "y")}).channels["s"]
    assert found.channels == ("x", "y")
    assert found.select([1]).channels == ("y",)
    assert values(found.select([1])).shape == (10, 1)


@pytest.mark.parametrize(
    ("arrays", "options", "named", "code"),
    [
        ({"s.lengths": [1]}, {}, "s.lengths", "half_a_pair"),
        ({"s.values": STEPS}, {}, "s.values", "half_a_pair"),
        ({"s.offsets": [0, 3]}, {}, "s.offsets", "half_a_pair"),
        ({"s": STEPS, "s.values": STEPS, "s.offsets": [0, 3]}, {}, "s", "half_a_pair"),
        ({"s.values": STEPS, "s.offsets": [0, 2, 1, 3]}, {}, "s.offsets", "wrong_offsets"),
        ({"s.values": STEPS, "s.offsets": [0, 2, 4]}, {}, "s.offsets", "wrong_offsets"),
        ({"s.values": STEPS, "s.offsets": [0, 2]}, {}, "s.offsets", "wrong_offsets"),
        ({"s.values": STEPS, "s.offsets": [1, 3]}, {}, "s.offsets", "wrong_offsets"),
        ({"s.values": STEPS, "s.offsets": np.empty(0, int)}, {}, "s.offsets", "wrong_offsets"),
        ({"s.values": STEPS, "s.offsets": [0, np.nan]}, {}, "s.offsets", "not_integer"),
        ({"s.values": np.ones((1, 2, 3)), "s.offsets": [0, 1]}, {}, "s.values", "wrong_kind"),
        ({"s": np.ones((2, 3, 1)), "s.lengths": [1, 4]}, {}, "s.lengths", "wrong_lengths"),
        ({"s": np.ones((2, 3, 1)), "s.lengths": [-1, 2]}, {}, "s.lengths", "wrong_lengths"),
        ({"s": np.ones((2, 3, 1)), "s.lengths": [2]}, {}, "s.lengths", "wrong_lengths"),
        ({"s": np.ones((2, 3, 1)), "s.lengths": [1.5, 2]}, {}, "s.lengths", "not_integer"),
        ({"s": np.ones((2, 3, 1)), "s.lengths": ["1", "2"]}, {}, "s.lengths", "not_integer"),
        ({"s": np.ones((2, 3, 1, 1)), "s.lengths": [1, 2]}, {}, "s", "wrong_kind"),
        ({"s": np.ones((2, 3, 0))}, {}, "s", "invalid"),
        ({"s": np.ones((2, 3, 1, 0))}, {}, "s", "wrong_grid"),
        ({"s": np.ones((2, 0, 10**12))}, {}, "s", "too_many_features"),
        ({"s": np.ones((1, 1, 1, 1, 1))}, {}, "s", "not_a_matrix"),
        ({"s": np.float64(1)}, {}, "s", "not_a_matrix"),
        ({"s": np.full((1, 1, 1), "x")}, {}, "s", "not_numeric"),
        ({"s": np.ones((2, 2))}, {"kinds": {"t": "series"}}, "kinds.t", "no_such_family"),
        ({"s": np.ones((2, 2))}, {"channels": {"s": ("a", "b")}}, "channels.s", "no_such_family"),
        ({"s": np.ones((2, 2, 2))}, {"channels": {"s": ("a",)}}, "channels.s", "wrong_channels"),
        ({"s": np.ones((2, 2, 2))}, {"kinds": {"s": "tabular"}}, "s", "wrong_kind"),
        ({"s": np.ones((2, 2))}, {"kinds": {"s": "grid"}}, "s", "wrong_kind"),
        ({"s": np.ones((2, 2, 2, 2))}, {"kinds": {"s": "series"}}, "s", "wrong_kind"),
        ({"s": np.ones((2, 1, 1)), "s.lengths": [1, 1]}, {"kinds": {"s": "grid"}}, "kinds.s", "wrong_kind"),
        ({"s": np.broadcast_to(1.0, (1, 10**4 + 1, 1))}, {}, "s", "series_too_long"),
        ({"s": np.broadcast_to(1.0, (1001, 1000, 1))}, {}, "s", "too_many_values"),
        ({"s": np.broadcast_to(1.0, (1, 1, 101, 100))}, {}, "s", "wrong_grid"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(sort, arrays, options, named, code):
    with pytest.raises(InvalidError) as caught:
        sort(arrays, **options)
    assert (caught.value.code, caught.value.places[0].field) == (code, named)


def test_only_the_families_of_a_model_are_looked_at_when_they_are_known(sort):
    arrays = {"rows": np.ones((2, 1)), "s": np.ones((2, 3, 1)), "t": np.ones((9, 1, 1, 1)), "u.values": STEPS}
    found = sort(arrays | {"u.offsets": [0, 3]}, known={}, kinds={"s": "series"}, channels={"s": ("x",)})
    assert (list(found.tables), list(found.channels)) == (["rows"], ["s"])
