import numpy as np
import pytest
import torch

from catvq.errors import ConfigError, ShapeError
from catvq.features.row_weights import check_weights, draw_rows, order_rows

WEIGHTS = np.array([1.0, 2.0, 0.5, 0.5])


def test_without_weights_each_row_comes_once():
    assert sorted(order_rows(50, None, np.random.default_rng(0))) == list(range(50))


@pytest.mark.parametrize("seed", range(3))
def test_a_row_comes_as_often_as_it_weighs_in_an_order_of_chance(seed):
    order = order_rows(400, np.tile(WEIGHTS, 100), np.random.default_rng(seed))
    counts = np.bincount(order, minlength=400).reshape(100, 4)

    assert len(order) == 400
    assert (counts[:, 0] == 1).all()
    assert (counts[:, 1] == 2).all()
    assert (counts[:, 2:].sum(axis=1) == 1).all()
    assert (np.diff(order) < 0).any()


def test_rows_are_drawn_by_their_weight():
    drawn = draw_rows(4, 20_000, WEIGHTS)

    assert torch.bincount(drawn) / 20_000 == pytest.approx(WEIGHTS / 4, abs=0.02)
    assert set(draw_rows(3, 100, None).tolist()) == {0, 1, 2}


@pytest.mark.parametrize("weight", [-1, np.nan, np.inf])
def test_the_row_of_a_wrong_weight_is_named(weight):
    with pytest.raises(ConfigError, match="row 2 weighs"):
        check_weights(np.array([0, weight, 1.0]), 3)
    with pytest.raises(ShapeError):
        check_weights(WEIGHTS, 3)
