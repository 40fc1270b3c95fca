import numpy as np

from catvq.features.split import draw_sample


def test_few_rows_are_their_own_sample():
    rows = np.arange(5, 25)

    assert draw_sample(rows, 20) is rows


def test_many_rows_are_drawn_at_random_each_once_and_the_first_ones_are_a_sample_too():
    rows = np.arange(100_000)

    drawn = draw_sample(rows, 1000)

    assert len(set(drawn.tolist())) == 1000
    assert abs(drawn[:200].mean() - 50_000) < 10_000
    assert np.array_equal(drawn, draw_sample(rows, 1000))
