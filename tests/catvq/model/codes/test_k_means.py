import itertools

import pytest
import torch

from catvq.errors import Interrupted
from catvq.model.codes import least
from catvq.model.codes.k_means import k_means, nearest_codes

POINTS = torch.randn(3, 200, 4, generator=torch.Generator().manual_seed(0))


def test_points_that_are_no_more_than_the_codes_have_one_each():
    squares = torch.zeros(3, 256)
    squares[0, 200:] = torch.inf
    codes, counts = k_means(POINTS, squares, 8)

    nearest = nearest_codes(POINTS, codes, squares)
    assert torch.equal(codes.gather(1, nearest.unsqueeze(2).expand_as(POINTS)), POINTS)
    assert counts.sum(dim=1).tolist() == [200.0] * 3
    assert not codes[0, 200:].any()


def test_it_ends_as_soon_as_no_point_changes_its_code():
    torch.manual_seed(1)
    asked = itertools.count()
    few, _ = k_means(POINTS, torch.zeros(3, 5), 1000, lambda: next(asked) < 0)
    assert next(asked) < 100
    torch.manual_seed(1)
    more, _ = k_means(POINTS, torch.zeros(3, 5), 100)
    assert torch.equal(few, more)


@pytest.mark.parametrize("after", [0, 3, 7])
def test_it_stops_between_two_codes_and_between_two_iterations(after):
    left = iter(range(after))
    with pytest.raises(Interrupted):
        k_means(POINTS, torch.zeros(3, 5), 30, lambda: next(left, None) is None)


def test_distances_in_parts_are_those_at_once(monkeypatch):
    codes, squares = POINTS[:, :7], torch.zeros(3, 7)
    whole = nearest_codes(POINTS, codes, squares)
    monkeypatch.setattr(least, "CPU_DISTANCES", 3 * 7 * 30)
    assert torch.equal(nearest_codes(POINTS, codes, squares), whole)
