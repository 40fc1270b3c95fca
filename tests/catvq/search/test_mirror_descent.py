import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import softmax

from catvq.config import AssignmentWeights
from catvq.model import losses
from catvq.model.assignment import block_diagonal
from catvq.search.mirror_descent import ENTROPY_END, ENTROPY_START, SEARCH_STEPS, AssignmentSearch
from catvq.state.checkpoint import Checkpoint

FEATURES, CATEGORIES, RESTARTS = 6, 3, 4
NOTHING = AssignmentWeights(orthogonality=0.0, balance=0.0, family=0.0)
START = np.array([0, 0, 1, 1, 2, 2])
FAMILIES = torch.tensor([0, 0, 0, 0, 1, 1])


def build(*, allowed=None, starts=(START,), weights=NOTHING, seed=0):
    torch.manual_seed(seed)
    return AssignmentSearch(
        torch.ones(FEATURES, CATEGORIES, dtype=torch.bool) if allowed is None else allowed,
        starts=list(starts),
        weights=weights,
        family_one_hot=F.one_hot(FAMILIES, 2).float(),
        restarts=RESTARTS,
    )


def rows(count=40):
    hidden = torch.randn(count, 3).repeat_interleave(2, dim=1)
    return hidden + 0.1 * torch.randn(count, FEATURES)


def with_errors(search, errors, *, step=SEARCH_STEPS):
    """The search as if every restart had measured these errors, float32 [D, G]."""
    search._errors = errors.expand(RESTARTS, -1, -1).clone()
    search.step_count = step
    search._temperatures, search._log_assignments = search._mirror_step()
    return search


def mean_entropy(assignments):
    return (torch.special.entr(assignments).sum(dim=2).mean(dim=1) / np.log(CATEGORIES)).tolist()


def test_the_temperature_is_solved_so_that_the_entropy_follows_its_schedule():
    errors = torch.rand(FEATURES, CATEGORIES)
    for step, expected in (
        (0.4 * SEARCH_STEPS, ENTROPY_START + (ENTROPY_END - ENTROPY_START) * 0.4 / 0.85),
        (SEARCH_STEPS, ENTROPY_END),
    ):
        search = with_errors(build(), errors, step=step)
        assert mean_entropy(search._log_assignments.exp()) == pytest.approx([expected] * RESTARTS, abs=1e-3)


def test_the_mirror_step_is_the_softmax_of_the_errors_at_that_temperature():
    errors = torch.rand(FEATURES, CATEGORIES)
    search = with_errors(build(), errors)

    expected = softmax(-errors.numpy() / search.temperature, axis=1)

    assert np.allclose(search.soft().numpy(), expected, atol=1e-5)
    assert search.soft().argmax(dim=1).tolist() == errors.argmin(dim=1).tolist()


def test_a_given_start_is_held_at_first_and_let_go_later():
    errors = torch.ones(FEATURES, CATEGORIES)
    for step, is_held in ((0, True), (0.2 * SEARCH_STEPS, True), (0.5 * SEARCH_STEPS, False)):
        soft = with_errors(build(), errors, step=step)._log_assignments.exp()
        expected = START.tolist() if is_held else [0] * FEATURES
        assert soft[0].argmax(dim=1).tolist() == expected
        assert torch.allclose(soft[1], torch.full((FEATURES, CATEGORIES), 1 / 3))  # begins at random


@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_probability_across_families_is_exactly_zero(progress):
    allowed = block_diagonal(FAMILIES, torch.tensor([0, 0, 1]))
    search = with_errors(build(allowed=allowed), torch.rand(6, 3), step=progress * SEARCH_STEPS)
    search.step(rows())
    search.choose(rows())

    soft = search.soft()

    assert (soft[~allowed] == 0).all()
    assert torch.allclose(soft.sum(dim=1), torch.ones(FEATURES), atol=1e-6)
    assert soft[4:].tolist() == [[0, 0, 1]] * 2


def test_one_choice_for_every_feature_but_one_keeps_finite_temperatures():
    allowed = torch.tensor([[True, True, False]] + [[False, False, True]] * 5)
    search = build(allowed=allowed, starts=())

    for _ in range(3):
        search.step(rows(8))

    assert search.soft().isfinite().all()
    assert np.isfinite(search.temperature)


@pytest.mark.parametrize("weights", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.5, 2.0, 3.0)])
def test_own_terms_add_their_gradient_in_the_unit_of_the_errors(weights):
    weights = AssignmentWeights(*weights)
    search = build(weights=weights)
    assignments = torch.softmax(torch.randn(RESTARTS, FEATURES, CATEGORIES), dim=2)

    gradient = search._own_gradient(assignments)

    expected = torch.stack([numeric_gradient(search, matrix, weights) for matrix in assignments.double()])
    assert torch.allclose(gradient.double(), expected * FEATURES, atol=1e-4)
    assert (gradient.abs() > 1e-3).any()


def numeric_gradient(search, matrix, weights):
    """Central differences of the weighted own terms, one entry at a time."""

    def value(assignment):
        return (
            weights.orthogonality * losses.assignment_orthogonality_loss(assignment)
            + weights.balance * losses.assignment_balance_loss(assignment)
            + weights.family * losses.assignment_family_loss(assignment, search._family_one_hot.double())
        )

    gradient = torch.zeros_like(matrix)
    for index in np.ndindex(*matrix.shape):
        step = torch.zeros_like(matrix)
        step[index] = 1e-5
        gradient[index] = (value(matrix + step) - value(matrix - step)) / 2e-5
    return gradient


def test_without_weights_the_own_terms_add_nothing():
    search = build()

    assert (search._own_gradient(search._log_assignments.exp()) == 0).all()


def test_the_restart_with_the_lowest_held_out_error_leads():
    search = build(starts=())
    for _ in range(5):
        search.step(rows())

    search.choose(rows(200), is_final=True)

    summary = search.summary()
    assert len(summary.held_out_errors) == RESTARTS
    assert summary.winner == search.winner == int(np.argmin(summary.held_out_errors))
    assert -1 <= summary.stability <= 1


def test_restarts_that_agree_are_stable_whatever_their_numbering():
    search = with_errors(build(), 1 - F.one_hot(torch.from_numpy(START), CATEGORIES).float())
    search._log_assignments[1] = search._log_assignments[1].flip(1)

    assert search.summary().stability == pytest.approx(1)


def test_a_new_leaders_categories_take_the_numbers_of_those_most_like_them():
    search = with_errors(build(), 1 - F.one_hot(torch.from_numpy(START), CATEGORIES).float())
    before = search.soft()
    after = before[:, [2, 0, 1]]

    order = search._match(before, after)

    assert torch.equal(after[:, order], before)


def test_categories_of_two_families_are_never_exchanged():
    allowed = block_diagonal(FAMILIES, torch.tensor([0, 0, 1]))
    search = build(allowed=allowed)
    before = with_errors(search, torch.rand(6, 3)).soft()

    order = search._match(before, before[:, [1, 0, 2]])

    assert order.tolist() == [1, 0, 2]


def test_the_search_groups_features_that_foretell_each_other(monkeypatch):
    """From random starts only, so that nothing but the errors can tell."""
    monkeypatch.setattr("catvq.search.mirror_descent.SEARCH_STEPS", 200)
    torch.manual_seed(0)
    table = rows(400)
    search = build(starts=())
    for _ in range(200):
        search.step(table[torch.randint(400, (128,))])
    search.choose(table, is_final=True)
    found = search.soft().argmax(dim=1).tolist()

    assert found[0::2] == found[1::2]


def test_a_restored_search_goes_on_bit_for_bit():
    search, batches = build(), [rows() for _ in range(4)]
    for batch in batches[:2]:
        search.step(batch)
    search.choose(rows())
    tensors = {}
    search.save_into(tensors)
    restored = build(seed=9)
    restored.restore_from(Checkpoint({name: value.clone() for name, value in tensors.items()}, {}))
    assert restored.summary() == search.summary()
    assert torch.equal(restored.soft(), search.soft())

    for one in (search, restored):
        torch.manual_seed(4)
        for batch in batches[2:]:
            one.step(batch)
        one.choose(batches[0], is_final=True)

    assert torch.equal(restored.soft(), search.soft())
    assert restored.summary() == search.summary()
    assert restored.step_count == 4
