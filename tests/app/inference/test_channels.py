"""Series and grids of rows to encode, padded in batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference import channels
from app.inference.channels import ChannelValues, cut_batches


def series(*lengths, width=2):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return ChannelValues(np.arange(offsets[-1] * width, dtype=np.float32).reshape(-1, width), offsets)


def test_series_are_padded_to_the_longest_of_a_batch():
    inputs = series(1, 3, 0).pad("s", np.array([1, 0]))
    assert inputs["s.lengths"].tolist() == [3, 1]
    assert inputs["s"].tolist() == [[[2, 3], [4, 5], [6, 7]], [[0, 1], [0, 0], [0, 0]]]
    assert series(0, 0).pad("s", np.array([0, 1]))["s"].shape == (2, 1, 2)


def test_grids_are_taken_as_they_are():
    grids = ChannelValues(np.arange(24, dtype=np.float32).reshape(3, 1, 2, 4))
    assert list(grids.pad("g", np.array([2, 0]))) == ["g"]
    np.testing.assert_array_equal(grids.pad("g", np.array([2, 0]))["g"], grids.values[[2, 0]])


def test_rows_with_missing_and_infinite_values_are_found():
    values = series(2, 1, 0, 1)
    values.values[1, 0] = np.nan
    values.values[3, 1] = np.inf
    assert values.is_missing.tolist() == [True, False, True, False]
    assert values.is_infinite.tolist() == [False, False, False, True]
    grids = ChannelValues(np.array([[[[1.0, np.nan]]], [[[np.inf, 0]]]], np.float32))
    assert (grids.is_missing.tolist(), grids.is_infinite.tolist()) == ([True, False], [False, True])


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(1, 100), st.integers(1, 10))
def test_every_row_is_in_one_batch_and_no_batch_is_too_large(lengths, most, max_rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(channels, "MAX_BATCH_VALUES", most)
        families = {"s": series(*lengths)}
        batches = list(cut_batches(families, len(lengths), max_rows=max_rows))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[row] for row in batch) * 2
        assert len(batch) == 1 or (padded <= most and len(batch) <= max_rows)
