import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catvq.errors import ConfigError, ShapeError
from catvq.model.assignment import (
    ESTIMATORS,
    TEMPERATURE_FLOOR,
    CategoryAssignment,
    assignment_confidence,
    balancing_potentials,
    block_diagonal,
    masked_softmax,
)

temperatures = st.floats(1e-6, 1e4)
BLOCKS = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])


def example(estimator="softmax", temperature=1.0, allowed=None):
    logits = torch.tensor([[math.log(3.0), 0.0, -1.0], [0.0, 2.0, 5.0], [1.0, 1.0, 0.0]])
    return CategoryAssignment(logits, allowed=allowed, estimator=estimator, temperature=temperature)


def test_the_soft_assignment_by_hand():
    assignment = CategoryAssignment(torch.tensor([[math.log(3.0), 0.0]]), temperature=1.0)
    assert assignment.soft()[0].tolist() == pytest.approx([0.75, 0.25])

    assignment.set_temperature(0.5)
    assert assignment.soft()[0].tolist() == pytest.approx([0.9, 0.1])


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), temperatures, st.floats(0, 1e6), st.sampled_from(ESTIMATORS))
def test_rows_sum_to_one_at_every_temperature_and_scale_of_logits(
    features, categories, temperature, scale, estimator
):
    assignment = CategoryAssignment(
        scale * torch.randn(features, categories), estimator=estimator, temperature=temperature
    )

    for matrix in (assignment.soft(), assignment(), assignment.eval()(), assignment.hard()):
        assert torch.allclose(matrix.sum(dim=1), torch.ones(features), atol=1e-5)
        assert (matrix >= 0).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("temperature", [1e-3, 0.1, 1.0, 100.0])
def test_probability_across_families_is_exactly_zero_and_gets_no_gradient(estimator, temperature):
    assignment = example(estimator, temperature, BLOCKS)

    for matrix in (assignment(), assignment.soft(), assignment.hard()):
        assert (matrix[~BLOCKS] == 0).all()
    weight = torch.arange(9.0).reshape(3, 3)
    (assignment() * weight).sum().backward()

    assert (assignment.logits.grad[~BLOCKS] == 0).all()
    assert assignment.logits.grad.isfinite().all()


def test_a_feature_with_one_allowed_category_is_wholly_in_it():
    assert example(allowed=BLOCKS).soft()[2].tolist() == [0, 0, 1]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_evaluation_adds_no_noise(estimator):
    assignment = example(estimator).eval()
    before = torch.get_rng_state()

    assert torch.equal(assignment(), assignment())
    assert torch.equal(assignment(), assignment.soft())
    assert torch.equal(torch.get_rng_state(), before)


def test_softmax_adds_no_noise_in_training_either():
    assignment = example("softmax").train()

    assert torch.equal(assignment(), assignment.soft())


@pytest.mark.parametrize("estimator", ["gumbel", "straight_through", "reinmax"])
def test_training_draws_new_noise_each_time(estimator):
    assignment = example(estimator, temperature=5.0).train()
    draws = torch.stack([assignment() for _ in range(20)])

    assert len({tuple(draw.flatten().tolist()) for draw in draws}) > 1


def test_gumbel_argmax_follows_the_softmax_of_the_logits():
    """What makes it Gumbel noise: at any temperature the argmax is distributed as softmax(logits)."""
    logits = torch.tensor([[3.0, 2.0, 1.0]]).log().repeat(20_000, 1)

    chosen = CategoryAssignment(logits, estimator="gumbel", temperature=0.3)().argmax(dim=1)

    shares = torch.bincount(chosen, minlength=3) / 20_000
    assert shares.tolist() == pytest.approx([1 / 2, 1 / 3, 1 / 6], abs=4 * math.sqrt(0.25 / 20_000))


def test_straight_through_is_exactly_one_hot_with_the_gradient_of_the_sample():
    torch.manual_seed(3)
    hard = example("straight_through", 0.7)
    matrix = hard()
    weight = torch.arange(9.0).reshape(3, 3)
    (matrix * weight).sum().backward()
    torch.manual_seed(3)
    soft = example("gumbel", 0.7)
    sample = soft()
    (sample * weight).sum().backward()

    assert set(matrix.flatten().tolist()) == {0.0, 1.0}
    assert torch.equal(matrix.argmax(dim=1), sample.argmax(dim=1))
    assert torch.equal(hard.logits.grad, soft.logits.grad)


def softmax_jacobian(probabilities):
    return torch.diag(probabilities) - torch.outer(probabilities, probabilities)


def test_reinmax_is_exactly_one_hot_with_the_gradient_of_its_closed_form():
    """It is 2 g J((D + p) / 2) - g J(p) / 2: J the softmax's Jacobian, D the draw, g the loss's gradient."""
    weight = torch.tensor([[1.0, -2.0, 5.0]])
    seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        assignment = CategoryAssignment(
            torch.tensor([[0.3, 0.0, -0.4]]), estimator="reinmax", temperature=0.5
        )
        drawn = assignment()
        (drawn * weight).sum().backward()
        soft = assignment.soft().detach()[0]
        middle = (drawn.detach()[0] + soft) / 2
        expected = (2 * softmax_jacobian(middle) - softmax_jacobian(soft) / 2) @ weight[0] / 0.5

        assert sorted(drawn[0].tolist()) == [0, 0, 1]
        assert torch.allclose(assignment.logits.grad[0], expected, atol=1e-5)
        seen.add(int(drawn.argmax()))
    assert seen == {0, 1, 2}


def test_reinmax_draws_each_category_as_often_as_the_soft_assignment_says():
    logits = torch.tensor([[3.0, 2.0, 1.0]]).log().repeat(20_000, 1)
    assignment = CategoryAssignment(logits, estimator="reinmax", temperature=0.5)

    shares = assignment().mean(dim=0)

    assert shares.tolist() == pytest.approx([9 / 14, 4 / 14, 1 / 14], abs=4 * math.sqrt(0.25 / 20_000))


def test_the_mean_gradient_of_reinmax_is_exact_for_a_quadratic_loss_and_that_of_straight_through_is_not():
    """Weighted by its probability, each draw's gradient adds up to the gradient of the expected loss."""
    matrix = torch.tensor([[2.0, -1.0, 0.5], [-1.0, 3.0, 1.0], [0.5, 1.0, -4.0]])

    def loss(sample):
        return (sample @ matrix * sample).sum(dim=1)

    exact = CategoryAssignment(torch.tensor([[0.3, 0.0, -0.4]]))
    (exact.soft()[0] @ matrix.diagonal()).backward()

    def mean_gradient(estimator):
        torch.manual_seed(0)
        draws = 40_000
        assignment = CategoryAssignment(exact.logits.detach().repeat(draws, 1), estimator=estimator)
        sample = assignment()
        loss(sample).sum().backward()
        chosen = sample.argmax(dim=1)
        per_draw = torch.stack([assignment.logits.grad[chosen == g].mean(dim=0) for g in range(3)])
        return exact.soft().detach()[0] @ per_draw

    assert torch.allclose(mean_gradient("reinmax"), exact.logits.grad[0], atol=1e-3)
    assert not torch.allclose(mean_gradient("straight_through"), exact.logits.grad[0], atol=0.1)


def test_sinkhorn_fills_all_categories_alike_and_keeps_what_each_feature_prefers():
    """By hand: scores ln 2 and 0 of one feature, ln 8 and 0 of the other, are balanced by potentials 0, ln 4.

    The rows then are [2, 4] / 6 and [8, 4] / 12, and both columns hold one feature.
    """
    logits = torch.tensor([[2.0, 1.0], [8.0, 1.0]]).log()
    soft = CategoryAssignment(logits, estimator="sinkhorn").soft()

    assert torch.allclose(soft, torch.tensor([[1 / 3, 2 / 3], [2 / 3, 1 / 3]]), atol=1e-4)
    assert CategoryAssignment(logits).soft().sum(dim=0).tolist() == pytest.approx([2 / 3 + 8 / 9, 4 / 9])


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 6), st.floats(0.7, 1e4))
def test_sinkhorn_gives_every_category_an_equal_share(features, categories, temperature):
    assignment = CategoryAssignment(
        torch.randn(features, categories), estimator="sinkhorn", temperature=temperature
    )

    shares = assignment.soft().sum(dim=0) * categories / features
    assert torch.allclose(shares, torch.ones(categories), atol=0.05)


def test_sinkhorn_balances_every_family_on_its_own():
    allowed = block_diagonal(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 1, 1, 2]))
    assignment = CategoryAssignment(torch.randn(4, 5), allowed=allowed, estimator="sinkhorn")

    soft = assignment.soft()
    assert (soft[~allowed] == 0).all()
    assert soft.sum(dim=0).tolist() == pytest.approx([1.5, 1.5, 0.5, 0.5, 0.0], abs=1e-3)


def test_a_clear_lead_prevails_over_balance_as_the_temperature_falls():
    logits = torch.tensor([[3.0, 0.0]] * 9 + [[0.0, 3.0]])
    assignment = CategoryAssignment(logits, estimator="sinkhorn")

    assert assignment.soft().sum(dim=0).tolist() == pytest.approx([5, 5], abs=0.1)
    assignment.set_temperature(0.01)
    assert assignment.grouping().tolist() == [0] * 9 + [1]


def test_the_gradient_of_sinkhorn_is_that_of_the_balanced_assignment():
    logits = torch.randn(5, 3, dtype=torch.float64)
    allowed = torch.ones(5, 3, dtype=torch.bool)
    allowed[0, 2] = allowed[4, 0] = False

    def balanced(scores):
        return masked_softmax(scores + balancing_potentials(scores, allowed), allowed)

    assert torch.autograd.gradcheck(balanced, logits.requires_grad_())


def test_the_hard_assignment_is_the_largest_probability_and_the_lower_index_of_a_tie():
    assignment = example()

    assert assignment.grouping().tolist() == [0, 2, 0]
    assert assignment.hard().tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0]]


def test_confidence_and_runner_up_by_hand():
    found = example().confidence()

    assert found.category.tolist() == [0, 2, 0]
    assert found.runner_up.tolist() == [1, 1, 1]
    assert found.confidence[0].item() == pytest.approx(3 / (3 + 1 + math.exp(-1)))
    assert found.confidence[2].item() == pytest.approx(math.e / (2 * math.e + 1))
    assert not found.confidence.requires_grad


def test_a_runner_up_is_an_allowed_category_or_minus_one():
    assert example(allowed=BLOCKS).confidence().runner_up.tolist() == [1, 0, -1]


def test_a_runner_up_of_probability_zero_is_still_the_other_allowed_category():
    soft = torch.tensor([[1.0, 0.0, 0.0]])
    allowed = torch.tensor([[True, False, True]])

    assert assignment_confidence(soft, allowed).runner_up.tolist() == [2]


def test_one_category_has_no_runner_up_and_no_gradient():
    assignment = CategoryAssignment(torch.randn(4, 1), estimator="gumbel")
    assignment().sum().backward()

    assert assignment.soft().tolist() == [[1.0]] * 4
    assert assignment.confidence().runner_up.tolist() == [-1] * 4
    assert (assignment.logits.grad == 0).all()


def test_the_temperature_survives_a_reload():
    assignment = example(temperature=0.37)
    other = example(temperature=2.0)

    other.load_state_dict(assignment.state_dict())

    assert "temperature" in assignment.state_dict()
    assert torch.equal(other.temperature, assignment.temperature)
    assert torch.equal(other.soft(), assignment.soft())


def test_only_the_logits_are_learnt():
    assert [name for name, _ in example().named_parameters()] == ["logits"]


@pytest.mark.parametrize("temperature", [1e-300, 1e-9, TEMPERATURE_FLOOR / 2])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_temperature_near_zero_is_raised_to_the_floor_and_gives_no_nan(temperature, estimator):
    assignment = example(estimator, temperature)
    (assignment() * torch.arange(9.0).reshape(3, 3)).sum().backward()

    assert assignment.temperature.item() == pytest.approx(TEMPERATURE_FLOOR)
    assert assignment.soft().isfinite().all()
    assert assignment.logits.grad.isfinite().all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ConfigError, match="above 0"):
        example(temperature=temperature)
    with pytest.raises(ConfigError, match="above 0"):
        example().set_temperature(temperature)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (3, 0), (1, 2, 3)])
def test_logits_that_are_no_matrix_are_refused(shape):
    with pytest.raises(ShapeError, match=r"\[D, G\]"):
        CategoryAssignment(torch.zeros(shape))


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"\(2, 2\)"):
        CategoryAssignment(torch.zeros(2, 2), allowed=torch.ones(2, 3, dtype=torch.bool))


def test_a_feature_without_any_category_is_refused():
    with pytest.raises(ConfigError, match="at least one"):
        CategoryAssignment(torch.zeros(2, 2), allowed=torch.tensor([[True, True], [False, False]]))


def test_an_unknown_estimator_is_refused_by_name():
    with pytest.raises(ConfigError, match="hardmax"):
        CategoryAssignment(torch.zeros(2, 2), estimator="hardmax")


def test_the_given_tensors_are_not_shared():
    logits, allowed = torch.zeros(2, 2), torch.ones(2, 2, dtype=torch.bool)
    assignment = CategoryAssignment(logits, allowed=allowed)
    logits += 1
    allowed[0, 0] = False

    assert (assignment.logits == 0).all()
    assert assignment.allowed.all()


def test_blocks_join_the_features_and_categories_of_one_family():
    allowed = block_diagonal(torch.tensor([0, 1, 0]), torch.tensor([0, 0, 1]))

    assert allowed.tolist() == [[True, True, False], [False, False, True], [True, True, False]]
