"""Frozen models run without torch, give the stored codes, and mark what they cannot encode."""

import numpy as np
import pytest

from app.inference.encoder import DamagedModelError, Encoder


@pytest.fixture
def encoder(make_model, tmp_path):
    make_model(tmp_path / "model")
    return Encoder(lambda: tmp_path / "model", threads=1)


def test_codes_and_errors_are_those_worked_out_by_hand(encoder):
    # Normalised: (-1, 0, 0.5): the mean of a and b is -0.5, nearest code -1; c is 0.5, as near to 0 as to 1.
    encoded = encoder.encode(np.array([[-1, 2, 3.4], [3, 4, 4]], np.float32), with_doubt=True)
    assert encoded.codes.tolist() == [[0, 1], [1, 2]]
    # Decoded (-1, -1, 0) and (1, 1, 1).
    assert encoded.doubt.reconstruction_error == pytest.approx([(0 + 1 + 0.4**2) / 3, 0])
    # The latents are -0.5 and 0.4; of the training rows, that many percent lay below (0.5^2 + 0.4^2) / 2.
    assert encoded.doubt.distance_percentile == pytest.approx([20.5, 0])
    assert encoded.status == ["ok", "ok"]


def test_a_missing_value_is_filled_in_and_said_so(encoder):
    encoded = encoder.encode(np.array([[3, 4, np.nan]], np.float32), with_doubt=False)
    assert encoded.codes.tolist() == [[1, 1]]
    assert encoded.status == ["imputed"]


def test_an_infinite_row_is_marked_and_spoils_no_other(encoder):
    encoded = encoder.encode(
        np.array([[3, 4, 4], [np.inf, np.nan, 0], [3, 4, 4]], np.float32), with_doubt=True
    )
    assert encoded.codes.tolist() == [[1, 2], [-1, -1], [1, 2]]
    assert encoded.status == ["ok", "invalid", "ok"]
    assert np.isnan(encoded.doubt.reconstruction_error).tolist() == [False, True, False]
    assert np.isnan(encoded.doubt.distance_percentile).tolist() == [False, True, False]


def test_rows_in_many_runs_give_the_same_codes_as_in_one(encoder):
    rows = np.random.default_rng(0).normal(2, 2, (10_000, 3)).astype(np.float32)
    together = encoder.encode(rows, with_doubt=False).codes
    apart = np.concatenate([encoder.encode(part, with_doubt=True).codes for part in (rows[:17], rows[17:])])
    assert (together == apart).all()


def test_decoding_gives_rows_in_the_units_of_the_dataset(encoder):
    assert encoder.decode(np.array([[1, 2], [0, 1]])).tolist() == [[3, 4, 4], [-1, 0, 3]]


def test_a_model_that_gives_other_codes_than_when_frozen_is_refused(make_model, tmp_path):
    make_model(tmp_path / "model", test_codes=[[0, 0], [0, 0]])
    with pytest.raises(DamagedModelError, match="other codes"):
        Encoder(lambda: tmp_path / "model", threads=1)


@pytest.mark.parametrize("name", ["encoder", "doubt", "decoder"])
def test_a_torn_model_is_refused(make_model, tmp_path, name):
    make_model(tmp_path / "model")
    path = tmp_path / "model" / f"{name}.onnx"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DamagedModelError, match="cannot be loaded"):
        Encoder(lambda: tmp_path / "model", threads=1).decode(np.array([[1, 2]]))
