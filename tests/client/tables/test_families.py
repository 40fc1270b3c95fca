"""Series and grids in memory, as a file of arrays."""

import io

import numpy as np
import pytest
from catvq_client.errors import CatvqError
from catvq_client.tables.bodies import NPZ, table_body
from catvq_client.tables.rows import row_bodies

WAVES = [np.array([[1.0, 2], [3, 4]]), np.empty((0, 2)), np.array([[5.0, 6]])]


class Labelled(np.ndarray):
    """An array with labels for its dimensions, as those of xarray."""


def labelled(array, dims, coords):
    found = array.view(Labelled)
    found.dims, found.coords = dims, coords
    return found


def sent(table):
    body = table_body(table)
    assert body.content_type == NPZ
    return dict(np.load(io.BytesIO(b"".join(body.chunks()))).items()), body.params


def test_one_array_for_each_row_is_sent_as_values_and_offsets():
    arrays, _ = sent({"wave": WAVES, "table": np.ones((3, 2))})
    assert arrays["wave.values"].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert arrays["wave.offsets"].tolist() == [0, 2, 2, 3]
    assert arrays["table"].shape == (3, 2)


def test_lists_of_differing_lengths_are_a_series_of_one_channel():
    arrays, _ = sent({"wave": [[1, 2], [3]]})
    assert (arrays["wave.values"].tolist(), arrays["wave.offsets"].tolist()) == ([1, 2, 3], [0, 2, 3])


def test_arrays_of_three_and_four_dimensions_are_sent_as_they_are():
    arrays, params = sent({"wave": np.ones((2, 5, 3)), "field": np.ones((2, 1, 4, 4))})
    assert (arrays["wave"].shape, arrays["field"].shape, params) == ((2, 5, 3), (2, 1, 4, 4), {})


def test_labels_of_channels_are_their_names():
    wave = labelled(np.ones((2, 5, 2)), ("row", "time", "channel"), {"channel": np.array(["x", "y"])})
    field = labelled(np.ones((2, 1, 4, 4)), ("row", "channel", "h", "w"), {"channel": np.array(["z"])})
    assert sent({"wave": wave, "field": field})[1] == {"channels": '{"wave":["x","y"],"field":["z"]}'}


def test_the_arrays_of_a_file_are_sent_as_they_are():
    given = {"wave": np.ones((2, 5, 1)), "wave.lengths": np.array([5, 1])}
    arrays, _ = sent(given)
    assert {name: array.tolist() for name, array in arrays.items()} == {
        name: array.tolist() for name, array in given.items()
    }


@pytest.mark.parametrize("table", [{"wave": [np.ones((1, 2)), np.ones((2, 3))]}, {"wave": np.ones((1,) * 5)}])
def test_what_is_no_family_is_refused(table):
    with pytest.raises(CatvqError, match="family wave"):
        table_body(table)


def test_rows_to_encode_are_cut_so_that_no_request_is_too_large(monkeypatch):
    monkeypatch.setattr("catvq_client.tables.rows.VALUES_PER_REQUEST", 20)
    rows = {"wave": [np.ones((4, 1)), *[np.ones((3, 1))] * 9], "a": np.ones((10, 1))}
    bodies = list(row_bodies(rows, None, None))
    parts = [np.load(io.BytesIO(b"".join(body.chunks()))) for body in bodies]
    assert len(parts) > 1
    assert sum(len(part["a"]) for part in parts) == 10


def test_what_is_masked_in_series_and_grids_is_missing():
    wave = np.ma.masked_array(np.arange(8).reshape(2, 2, 2), mask=[[[1, 0], [0, 0]], [[0, 0], [0, 1]]])
    arrays, _ = sent({"wave": wave, "many": [wave[0], wave[1, :1]]})
    nan = np.nan
    expected = [[[nan, 1], [2, 3]], [[4, 5], [6, nan]]]
    assert np.array_equal(arrays["wave"], expected, equal_nan=True)
    assert np.array_equal(arrays["many.values"], [[nan, 1], [2, 3], [4, 5]], equal_nan=True)


def test_awkward_arrays_are_series_with_missing_values_and_rows():
    awkward = pytest.importorskip("awkward")
    wave = awkward.Array([[1.0, None, 3], None, [4]])
    pair = awkward.Array([[[1.0, 2], [3, 4]], [], [[5, None]]])
    arrays, _ = sent({"wave": wave, "pair": pair})
    assert np.array_equal(arrays["wave.values"], [1, np.nan, 3, 4], equal_nan=True)
    assert arrays["wave.offsets"].tolist() == [0, 3, 3, 4]
    assert np.array_equal(arrays["pair.values"], [[1, 2], [3, 4], [5, np.nan]], equal_nan=True)
    with pytest.raises(CatvqError, match="wave"):
        sent({"wave": awkward.Array([[[1.0, 2], [3]], [[4, 5]]])})
    with pytest.raises(CatvqError, match="name"):
        table_body(wave)


def test_a_dataset_of_xarray_is_its_arrays_with_the_labels_of_their_channels():
    xarray = pytest.importorskip("xarray")
    wave = (("row", "time", "channel"), np.ones((2, 3, 2)))
    dataset = xarray.Dataset(
        {"wave": wave, "table": (("row", "f"), np.ones((2, 4)))}, {"channel": ["x", "y"]}
    )
    arrays, params = sent(dataset)
    assert (arrays["wave"].shape, arrays["table"].shape) == ((2, 3, 2), (2, 4))
    assert params == {"channels": '{"wave":["x","y"]}'}
