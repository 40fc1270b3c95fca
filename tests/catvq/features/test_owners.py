import torch

from catvq.features.owners import ColumnOwners

OWNERS = ColumnOwners(torch.tensor([0, 1, 1, 1, 2]), 3)


def test_columns_have_what_their_feature_has():
    assert OWNERS.spread(torch.tensor([5, 6, 7])).tolist() == [5, 6, 6, 6, 7]
    assert OWNERS.share(torch.tensor([[1.0], [2], [3]])).tolist() == [[1], [2], [2], [2], [3]]
    assert (OWNERS.num_columns, OWNERS.per_feature) == (5, 5 / 3)


def test_a_feature_sums_up_its_columns():
    assert OWNERS.total(torch.tensor([[1.0, 2, 3, 4, 5]])).tolist() == [[1, 9, 5]]


def test_the_gradient_of_a_feature_is_that_of_all_its_columns():
    assignment = torch.ones(3, 2, requires_grad=True)
    (OWNERS.share(assignment) * torch.arange(10.0).view(5, 2)).sum().backward()

    assert assignment.grad.tolist() == [[0, 1], [12, 15], [8, 9]]


def test_where_every_feature_is_a_column_nothing_is_done():
    plain, values = ColumnOwners.each_its_own(3), torch.rand(3, 3)

    assert plain.spread(values) is plain.share(values) is plain.total(values) is values
    assert plain.per_feature == 1
