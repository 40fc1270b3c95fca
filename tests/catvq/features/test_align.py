from dataclasses import replace

import numpy as np
import pytest

from catvq.errors import ConfigError
from catvq.features.align import align
from catvq.features.sequences import Grids, Series
from catvq.features.table import FeatureTable


def small(values, *, features=("a", "b"), values_of=(), dtype=np.float32):
    return FeatureTable(np.array(values, dtype), features, {"all": features}, dict(values_of))


def test_rows_of_another_table_get_the_columns_type_and_indices_of_a_table():
    table = small([[1, 0], [2, 1]], values_of={"b": ("red", "blue")})
    other = small(
        [[9, 1, 5], [9, 0, np.nan], [9, np.nan, 1e300]],
        features=("x", "b", "a"),
        values_of={"b": ("blue", "red")},
        dtype=np.float64,
    )

    aligned = align(other, table)

    assert aligned.values.dtype == np.float32
    assert np.array_equal(aligned.values, [[5, 0], [np.nan, 1], [np.inf, np.nan]], equal_nan=True)
    assert other.values[0, 1] == 1
    assert align(table, table).values is table.values


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (small([[1, 2]], features=("a", "c")), "no feature 'b'"),
        (small([[1, 2]]), "'a' has other values"),
        (small([[1, 2]], values_of={"a": ("red",), "b": ("red",)}), "'b' has other values"),
        (small([[1, 2]], values_of={"a": ("red", "green")}), "'a' has other values"),
    ],
)
def test_another_table_that_does_not_fit_is_refused(other, named):
    with pytest.raises(ConfigError, match=named):
        align(other, small([[1, 2]], values_of={"a": ("red",)}))


def test_times_of_another_table_count_from_the_origin_of_a_table():
    table = replace(small([[0, 1]]), origins={"a": "2026-01-31T00:00:00"})
    other = replace(small([[1, 1]]), origins={"a": "2026-02-01T00:00:00.500000Z"})
    assert align(other, table).values.tolist() == [[86401.5, 1]]
    assert align(other, table).origins == table.origins
    for origins in ({}, {"a": "00:00:00"}):
        with pytest.raises(ConfigError, match="'a' is a time"):
            align(replace(other, origins=origins), table)


def with_family(family, *, channels=("s/x", "s/y")):
    return FeatureTable(
        np.zeros((family.num_rows, 0), np.float32), channels, {"s": channels}, others={"s": family}
    )


def test_channels_of_another_table_are_matched_by_name():
    series = Series.divide(np.arange(6, dtype=np.float32).reshape(3, 2), np.array([0, 1, 3]))
    table, other = with_family(series), with_family(series, channels=("s/y", "s/x"))

    aligned = align(other, table).others["s"]
    assert [aligned.row(row).tolist() for row in range(2)] == [[[1, 0]], [[3, 2], [5, 4]]]
    assert align(table, table).others["s"] is series


def test_families_of_another_kind_or_shape_are_refused():
    series = Series.divide(np.zeros((2, 2), np.float32), np.array([0, 1, 2]))
    square, wide = (Grids(np.zeros((2, 2, 3, width), np.float32)) for width in (3, 4))
    for own, given in ((series, square), (square, wide)):
        with pytest.raises(ConfigError, match="'s' is of another kind"):
            align(with_family(given), with_family(own))
