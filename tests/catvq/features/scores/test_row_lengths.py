import numpy as np
import pytest

from catvq.features.scores.row_lengths import RowLengths
from catvq.features.sequences import Grids, Series
from catvq.features.table import FeatureTable

LENGTHS = np.array([3, 9, 5, 20, 12, 3, 40, 7])


@pytest.fixture
def table():
    values = np.zeros((LENGTHS.sum(), 2), np.float32)
    return FeatureTable(
        np.zeros((8, 1), np.float32),
        ("a", "g/0", "s/x", "s/y"),
        {"t": ("a",), "g": ("g/0",), "s": ("s/x", "s/y")},
        others={
            "g": Grids(np.zeros((8, 1, 2, 2), np.float32)),
            "s": Series.divide(values, np.concatenate([[0], np.cumsum(LENGTHS)])),
        },
    )


def test_what_follows_the_length_is_taken_out_of_descriptors_and_what_does_not_stays(table):
    rows = np.array([7, 6, 4, 3, 2, 1, 0])
    own = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    trend = 3 * np.log1p(LENGTHS[rows])
    columns = own + np.stack([trend] * 5, axis=1).astype(np.float32)
    feature = np.array([0, 1, 2, 3, 3])
    columns[2, 3:] = np.nan  # this row has no values of the last channel
    before = columns.copy()
    RowLengths.of(table, np.arange(4)).take_out(columns, feature, rows)

    assert np.array_equal(columns[:, :2], before[:, :2])
    assert np.isnan(columns[2, 3:]).all()
    for column in (2, 3, 4):
        there = ~np.isnan(columns[:, column])
        powers = np.vander(np.log1p(LENGTHS[rows])[there], 4)
        left = own[there, column] - powers @ np.linalg.lstsq(powers, own[there, column], rcond=None)[0]
        assert np.allclose(columns[there, column], left, atol=1e-3)


def test_rows_of_one_length_are_left_as_they_are(table):
    columns = np.arange(4, dtype=np.float32).reshape(2, 2)
    rows = np.array([0, 5])  # both of length 3
    RowLengths.of(table, np.array([2, 3])).take_out(columns, np.arange(2), rows)
    assert np.array_equal(columns, np.arange(4).reshape(2, 2))


def test_a_selection_has_the_lengths_of_its_rows(table):
    found = RowLengths.of(table, np.array([2])).select(np.array([6, 0]))
    assert [lengths.tolist() for lengths in found.of_family] == [[40, 3]]
