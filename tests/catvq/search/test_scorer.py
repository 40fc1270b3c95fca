import pytest
import torch
import torch.nn.functional as F

from catvq.model.routing import gate
from catvq.search.scorer import HeldOutScorer, restart_gate

RESTARTS, ROWS, FEATURES, CATEGORIES = 3, 40, 5, 2


@pytest.fixture
def scorer():
    torch.manual_seed(0)
    return HeldOutScorer(restarts=RESTARTS, num_categories=CATEGORIES, num_features=FEATURES).eval()


def soft():
    return torch.softmax(torch.randn(RESTARTS, FEATURES, CATEGORIES), dim=2)


def score(scorer, features, assignment, cells=None):
    """The same cells are hidden every time."""
    torch.manual_seed(1)
    return scorer(features, assignment, cells)


def test_every_category_of_every_restart_is_judged_on_every_feature(scorer):
    errors = scorer(torch.randn(ROWS, FEATURES), soft())

    assert errors.shape == (RESTARTS, CATEGORIES, FEATURES)
    assert (errors > 0).all()


def test_the_gate_is_the_models_gate_of_each_restart():
    assignment = soft()

    expected = torch.stack([gate(matrix) for matrix in assignment])

    assert torch.allclose(restart_gate(assignment), expected, atol=1e-6)


def test_an_empty_categorys_gate_is_zero():
    assignment = F.one_hot(torch.zeros(RESTARTS, FEATURES, dtype=torch.int64), CATEGORIES).float()

    assert (restart_gate(assignment)[:, :, 1] == 0).all()


def test_a_restart_is_not_touched_by_another(scorer):
    features, assignment = torch.randn(ROWS, FEATURES), soft()
    before = score(scorer, features, assignment)

    assignment[1] = assignment[1].flip(1)

    after = score(scorer, features, assignment)
    assert torch.equal(after[[0, 2]], before[[0, 2]])
    assert not torch.equal(after[1], before[1])


def test_an_error_is_the_mean_square_over_the_hidden_cells_alone(scorer):
    """With silent networks every prediction is the output's bias."""
    with torch.no_grad():
        scorer.output_weight.zero_()
        scorer.output_bias.fill_(0.5)
    features = torch.randn(ROWS, FEATURES)
    torch.manual_seed(1)
    hidden = torch.rand_like(features) < 0.5

    errors = score(scorer, features, soft())

    expected = [(features[:, j][hidden[:, j]] - 0.5).square().mean().item() for j in range(FEATURES)]
    assert errors[2, 1].tolist() == pytest.approx(expected, rel=1e-5)


def test_a_category_foretells_a_cell_without_having_seen_it(scorer):
    """Changing hidden cells changes no prediction: the error moves as the target does."""
    features, assignment = torch.randn(ROWS, FEATURES), soft()
    torch.manual_seed(1)
    hidden = (torch.rand_like(features) < 0.5).float()

    def errors(shift):
        return score(scorer, features + shift * hidden, assignment)

    # (p - x - s)^2 + (p - x + s)^2 - 2 (p - x)^2 = 2 s^2 where p stays what it was
    curvature = errors(3.0) + errors(-3.0) - 2 * errors(0.0)
    assert torch.allclose(curvature, torch.full_like(curvature, 18.0), rtol=1e-3)


def test_a_category_reads_only_its_own_features_under_a_hard_assignment(scorer):
    with torch.no_grad():
        scorer.global_latent_weight.zero_()  # what all categories see
    grouping = torch.tensor([0, 0, 0, 1, 1])
    assignment = F.one_hot(grouping, CATEGORIES).float().expand(RESTARTS, -1, -1)
    features = torch.randn(ROWS, FEATURES)
    before = score(scorer, features, assignment)

    features[:, 3:] = torch.randn(ROWS, 2)

    after = score(scorer, features, assignment)
    assert torch.equal(after[:, 0, :3], before[:, 0, :3])
    assert not torch.equal(after[:, 1, :3], before[:, 1, :3])


def test_every_parameter_learns_and_the_assignment_is_held_fixed(scorer):
    assignment = soft()

    scorer.train()(torch.randn(ROWS, FEATURES), assignment).sum().backward()

    assert all((parameter.grad != 0).any() for parameter in scorer.parameters())
    assert not assignment.requires_grad


@pytest.mark.parametrize(("rows", "features", "categories"), [(1, 1, 1), (2, 1, 3), (1, 4, 2), (8, 3, 7)])
def test_the_smallest_sizes_give_finite_errors_and_gradients(rows, features, categories):
    scorer = HeldOutScorer(restarts=2, num_categories=categories, num_features=features)
    assignment = torch.full((2, features, categories), 1 / categories)

    errors = scorer(torch.randn(rows, features), assignment)
    errors.sum().backward()

    assert errors.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in scorer.parameters())


def test_what_stands_in_a_missing_cell_is_neither_seen_nor_predicted(scorer):
    features, assignment = torch.randn(ROWS, FEATURES), soft()
    cells = torch.ones_like(features)
    cells[::2, :2] = 0
    other = torch.where(cells > 0, features, 9.0)

    assert torch.equal(score(scorer, features, assignment, cells), score(scorer, other, assignment, cells))
    assert not torch.equal(score(scorer, features, assignment), score(scorer, features, assignment, cells))
