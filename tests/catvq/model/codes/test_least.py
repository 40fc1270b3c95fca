import torch

from catvq.model.codes.least import least, least_few


def test_of_equal_distances_the_first_is_the_least():
    assert least(torch.tensor([[3.0, 1.0, 1.0], [2.0, 2.0, 5.0]])).tolist() == [1, 0]


def test_the_least_few_ascend_and_of_equal_ones_the_first_comes_first():
    values, places = least_few(torch.tensor([[4.0, 1.0, 2.0, 1.0, torch.inf]]), 4)
    assert values.tolist() == [[1.0, 1.0, 2.0, 4.0]]
    assert places.tolist() == [[1, 3, 2, 0]]


def test_where_fewer_are_finite_the_rest_are_infinite():
    values, _ = least_few(torch.tensor([[torch.inf, 1.0, torch.inf]]), 3)
    assert values.tolist() == [[1.0, torch.inf, torch.inf]]
