import numpy as np
import pytest
import torch

from catvq.errors import ConfigError, ShapeError
from catvq.features.row_weights import BLOCK_ROWS, WINDOW_ROWS, check_weights, draw_rows, order_rows

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


def test_many_rows_are_taken_in_blocks_from_all_over_the_table_and_mixed():
    rows = 2 * WINDOW_ROWS + 50

    order = order_rows(rows, None, np.random.default_rng(0))

    assert np.array_equal(np.sort(order), np.arange(rows))
    window = order[:WINDOW_ROWS]
    assert len(np.unique(window // BLOCK_ROWS)) <= WINDOW_ROWS // BLOCK_ROWS + BLOCK_ROWS
    assert window[:1000].min() < 0.05 * rows
    assert window[:1000].max() > 0.95 * rows
    assert (np.diff(window) == 1).mean() < 0.001


def test_many_rows_come_as_often_as_they_weigh():
    rows = 3 * WINDOW_ROWS // 2
    weights = np.where(np.arange(rows) % 4 == 0, 5.0, 1.0)

    drawn = order_rows(rows, weights, np.random.default_rng(0))

    assert np.bincount(drawn, minlength=rows)[::4].min() >= 2
    assert len(drawn) == rows
