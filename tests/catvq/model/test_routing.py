import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from catvq.errors import ShapeError
from catvq.model.routing import HardRouting, SoftRouting, gate

LEVELS, ROWS, WIDTH, PARTIAL = 2, 5, 4, 3


def both_routes(grouping, categories):
    soft = SoftRouting(F.one_hot(grouping, categories).double())
    hard = HardRouting.from_grouping(grouping, categories)
    return soft, HardRouting(hard.index, hard.mask.double(), hard.num_features)


groupings = st.integers(1, 5).flatmap(
    lambda categories: st.tuples(
        st.lists(st.integers(0, categories - 1), min_size=1, max_size=8), st.just(categories)
    )
)


@settings(deadline=None, max_examples=60)
@given(groupings)
def test_both_routes_project_alike_with_like_gradients(case):
    grouping, categories = torch.tensor(case[0]), case[1]
    results = []
    for routing in both_routes(grouping, categories):
        torch.manual_seed(1)
        features = torch.randn(ROWS, len(grouping), dtype=torch.double, requires_grad=True)
        weight = torch.randn(len(grouping), WIDTH, dtype=torch.double, requires_grad=True)
        projected = routing.project(features, weight)
        (projected * torch.randn(projected.shape, dtype=torch.double)).sum().backward()
        results.append((projected, features.grad, weight.grad))

    assert results[0][0].shape == (categories, ROWS, WIDTH)
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@settings(deadline=None, max_examples=60)
@given(groupings)
def test_both_routes_give_the_same_own_feature_errors_with_like_gradients(case):
    grouping, categories = torch.tensor(case[0]), case[1]
    results = []
    for routing in both_routes(grouping, categories):
        torch.manual_seed(1)
        streams, count = categories * LEVELS, len(grouping)
        features = torch.randn(ROWS, count, dtype=torch.double)
        hidden = torch.randn(streams, ROWS, PARTIAL, dtype=torch.double, requires_grad=True)
        weight = torch.randn(streams, PARTIAL, count, dtype=torch.double, requires_grad=True)
        bias = torch.randn(streams, count, dtype=torch.double, requires_grad=True)
        errors = routing.own_feature_errors(features, hidden, weight, bias)
        (errors * torch.randn_like(errors)).sum().backward()
        results.append((errors, hidden.grad, weight.grad, bias.grad))

    assert results[0][0].shape == (categories, LEVELS)
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_the_gate_by_hand():
    # column 0 holds 0.36 + 0.64 = 1, column 1 holds 0.64 + 0.36; each is scaled to D / G = 1
    assignment = torch.tensor([[0.6, 0.8], [0.8, 0.6]])
    assert torch.allclose(gate(assignment), assignment)

    # 3 features, 2 categories: 1.5 over energies 2 and 1
    one_hot = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    expected = one_hot * torch.tensor([0.75, 1.5]).sqrt()
    assert torch.allclose(gate(one_hot), expected)


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.floats(0.05, 20))
def test_every_category_is_gated_to_the_same_energy(features, categories, temperature):
    assignment = torch.softmax(torch.randn(features, categories) / temperature, dim=1).clamp_min(1e-3)

    energy = gate(assignment).square().sum(dim=0)

    assert torch.allclose(energy, torch.full((categories,), features / categories), rtol=1e-4)


def test_an_empty_categorys_gate_is_zero_with_a_finite_gradient():
    assignment = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)

    gated = gate(assignment)
    gated.sum().backward()

    assert (gated[:, 1] == 0).all()
    assert assignment.grad.isfinite().all()


def test_the_soft_route_by_hand():
    # one category of two features: energy 2 is scaled to D / G = 2, so the gate is 1
    routing = SoftRouting(torch.ones(2, 1))

    projected = routing.project(torch.tensor([[1.0, 10.0]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))

    assert projected.tolist() == [[[31.0, 42.0]]]


def test_own_feature_errors_by_hand():
    """Each feature's error counts for the categories it is in; its share of all features is divided out."""
    routing = SoftRouting(torch.tensor([[0.75, 0.25], [0.0, 1.0]]))
    features = torch.tensor([[2.0, 4.0]])
    # two levels that always predict their bias: category 0 level 0, category 0 level 1, category 1 ...
    bias = torch.tensor([[1.0, 99.0], [2.0, 99.0], [0.0, 1.0], [2.0, 4.0]])

    errors = routing.own_feature_errors(features, torch.zeros(4, 1, 1), torch.zeros(4, 1, 2), bias)

    assert errors.tolist() == [[0.75 * 1 / 2, 0.0], [(0.25 * 4 + 1 * 9) / 2, 0.0]]


def test_own_feature_errors_count_cells_as_they_are_told_by_either_route():
    grouping = torch.tensor([0, 1, 1, 0])
    features, hidden, weight = torch.randn(ROWS, 4), torch.randn(4, ROWS, PARTIAL), torch.randn(4, PARTIAL, 4)
    cells, bias = torch.rand(ROWS, 4), torch.randn(4, 4)
    routes = SoftRouting(F.one_hot(grouping, 2).float()), HardRouting.from_grouping(grouping, 2)

    soft, hard = (route.own_feature_errors(features, hidden, weight, bias, cells) for route in routes)
    alike = routes[0].own_feature_errors(features, hidden, weight, bias, torch.ones_like(features))

    assert torch.allclose(soft, hard, rtol=1e-5)
    assert torch.allclose(alike, routes[0].own_feature_errors(features, hidden, weight, bias), rtol=1e-4)
    assert not torch.allclose(soft, alike)


def test_own_feature_errors_reach_predictions_and_assignment():
    assignment = torch.softmax(torch.randn(4, 2), dim=1).requires_grad_()
    hidden = torch.randn(4, ROWS, PARTIAL, requires_grad=True)

    errors = SoftRouting(assignment).own_feature_errors(
        torch.randn(ROWS, 4), hidden, torch.randn(4, PARTIAL, 4), torch.randn(4, 4)
    )
    errors.sum().backward()

    assert (assignment.grad != 0).all()
    assert (hidden.grad != 0).any()


def test_a_hard_category_reads_nothing_but_its_own_features():
    routing = HardRouting.from_grouping(torch.tensor([1, 0, 1]), 2)
    features, weight = torch.randn(ROWS, 3), torch.randn(3, WIDTH)
    before = routing.project(features, weight)

    features[:, [0, 2]] += 100

    after = routing.project(features, weight)
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])


def test_a_packed_grouping_by_hand():
    routing = HardRouting.from_grouping(torch.tensor([2, 0, 2, 0, 0]), 4)

    assert routing.index.tolist() == [[1, 3, 4], [0, 0, 0], [0, 2, 0], [0, 0, 0]]
    assert routing.mask.tolist() == [[1, 1, 1], [0, 0, 0], [1, 1, 0], [0, 0, 0]]
    # D / G = 1.25 shared over 3 and 2 features
    assert routing.gate()[:, 0].tolist() == pytest.approx([(1.25 / 3) ** 0.5, 0, (1.25 / 2) ** 0.5, 0])


def test_padding_gives_the_first_feature_no_gradient():
    routing = HardRouting.from_grouping(torch.tensor([0, 1, 1, 1]), 2)
    weight = torch.randn(4, WIDTH, requires_grad=True)

    routing.project(torch.randn(ROWS, 4), weight)[1].sum().backward()

    assert (weight.grad[0] == 0).all()


@pytest.mark.parametrize("grouping", [[0, 2], [-1, 0], [[0, 1]], []])
def test_a_grouping_that_is_no_vector_of_categories_is_refused(grouping):
    with pytest.raises(ShapeError, match="grouping"):
        HardRouting.from_grouping(torch.tensor(grouping, dtype=torch.int64), 2)
