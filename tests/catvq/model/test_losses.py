import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catvq.model import losses
from catvq.model.losses import LOSS_NAMES, LossTerms

NO_MASK = torch.ones(1, 2)


def parameter(values):
    return torch.tensor(values, requires_grad=True)


def test_reconstruction_is_the_mean_square_over_rows_and_features():
    loss = losses.reconstruction_loss(
        torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [3.0, 0.0]])
    )

    assert loss.item() == (1 + 4 + 9 + 0) / 4


def test_predicting_the_mean_of_normalised_features_costs_one():
    features = torch.randn(500, 4)
    features = (features - features.mean(0)) / features.std(0, unbiased=False)

    assert losses.reconstruction_loss(torch.zeros(500, 4), features).item() == pytest.approx(1, rel=1e-5)


def test_the_codebook_loss_moves_the_codebook_and_holds_the_latents():
    latents, rows = parameter([[[1.0, 2.0]]]), parameter([[[0.0, 4.0]]])

    loss = losses.codebook_loss(latents, rows, NO_MASK)
    loss.backward()

    assert loss.item() == (1 + 4) / 2
    assert latents.grad is None
    assert rows.grad.tolist() == [[[-1.0, 2.0]]]


def test_the_commitment_loss_moves_the_latents_and_holds_the_codebook():
    latents, rows = parameter([[[1.0, 2.0]]]), parameter([[[0.0, 4.0]]])

    loss = losses.commitment_loss(latents, rows, NO_MASK)
    loss.backward()

    assert loss.item() == (1 + 4) / 2
    assert rows.grad is None
    assert latents.grad.tolist() == [[[1.0, -2.0]]]


@pytest.mark.parametrize("loss", [losses.codebook_loss, losses.commitment_loss])
def test_padded_entries_neither_count_nor_dilute(loss):
    latents = torch.tensor([[[1.0, 9.0], [3.0, 9.0]], [[1.0, 1.0], [0.0, 2.0]]])
    mask = torch.tensor([[1.0, 0.0], [1.0, 1.0]])

    # first stream 1 + 9 over two entries, second 1 + 1 + 0 + 4 over four
    assert loss(latents, torch.zeros(2, 2, 2), mask).item() == pytest.approx((10 + 6) / 6)


def pairwise_cosines_squared(codes, used):
    """The definition, one pair at a time."""
    total, pairs = 0.0, 0
    for stream in range(len(codes)):
        chosen = [codes[stream, k] for k in range(codes.shape[1]) if used[stream, k]]
        for i, first in enumerate(chosen):
            for j, second in enumerate(chosen):
                if i != j:
                    total += float(first @ second / np.linalg.norm(first) / np.linalg.norm(second)) ** 2
                    pairs += 1
    return total / max(pairs, 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 9), st.integers(1, 5))
def test_codebook_orthogonality_equals_a_loop_over_all_pairs(seed, streams, size, width):
    generator = np.random.default_rng(seed)
    # Away from zero, where EPSILON would count: a code of norm 0.01 has a cosine of 0.9999 with itself.
    codes = generator.normal(size=(streams, size, width))
    codes += np.copysign(1.0, codes)
    used = generator.random((streams, size)) < 0.7

    loss = losses.codebook_orthogonality_loss(torch.tensor(codes), torch.tensor(used))

    assert loss.item() == pytest.approx(pairwise_cosines_squared(codes, used), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([[1.0, 0.0], [0.0, 5.0]], 0.0),
        ([[1.0, 0.0], [-3.0, 0.0]], 1.0),
        ([[1.0, 0.0], [2.0, 2.0]], 0.5),
        ([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], (0 + 0.5 + 0.5) * 2 / 6),
    ],
)
def test_codebook_orthogonality_by_hand(codes, expected):
    loss = losses.codebook_orthogonality_loss(
        torch.tensor([codes]), torch.ones(1, len(codes), dtype=torch.bool)
    )

    assert loss.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("used", [[False, False], [True, False]])
def test_fewer_than_two_used_codes_have_nothing_to_be_orthogonal_to(used):
    codes = parameter([[[1.0, 0.0], [1.0, 0.0]]])

    loss = losses.codebook_orthogonality_loss(codes, torch.tensor([used]))
    loss.backward()

    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert codes.grad.isfinite().all()


def test_a_code_at_the_origin_gives_a_finite_gradient():
    codes = parameter([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]])

    losses.codebook_orthogonality_loss(codes, torch.ones(1, 3, dtype=torch.bool)).backward()

    assert codes.grad.isfinite().all()


def pair_distances(points):
    rows = range(len(points))
    return [np.linalg.norm(points[a] - points[b]) for a in rows for b in rows if a < b]


def test_topographic_similarity_is_numpys_correlation_of_pair_distances():
    generator = np.random.default_rng(0)
    features, latents = generator.normal(size=(7, 5)), generator.normal(size=(7, 3))
    expected = np.corrcoef(pair_distances(features), pair_distances(latents))[0, 1]

    similarity = losses.topographic_similarity(torch.tensor(features), torch.tensor(latents)).item()

    assert similarity == pytest.approx(expected, abs=1e-6)
    assert losses.topographic_loss(torch.tensor(features), torch.tensor(latents)).item() == pytest.approx(
        1 - expected, abs=1e-6
    )


def test_a_scaled_turned_and_shifted_copy_has_the_same_topography():
    points = torch.randn(9, 2)
    turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])

    assert losses.topographic_similarity(points, 3 * points @ turn + 5).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_collapsed_representation_has_no_topography_and_a_finite_gradient(rows):
    collapsed = torch.zeros(rows, 4, requires_grad=True)

    loss = losses.topographic_loss(torch.randn(rows, 3), collapsed)
    loss.backward()

    assert loss.item() == 1
    assert collapsed.grad.isfinite().all()


def test_the_topographic_gradient_moves_distances_towards_those_of_the_features():
    features = torch.randn(8, 3)
    latents = torch.randn(8, 2, requires_grad=True)
    before = losses.topographic_loss(features, latents)
    before.backward()

    after = losses.topographic_loss(features, latents.detach() - 0.1 * latents.grad)

    assert after < before


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], 0.0),
        ([[0.5, 0.5], [0.5, 0.5]], 1.0),
        # columns (1, .5) and (0, .5): 0.25 squared over 1.25 * 0.25
        ([[1.0, 0.0], [0.5, 0.5]], 0.2),
        ([[1.0], [1.0]], 0.0),
    ],
)
def test_assignment_orthogonality_by_hand(assignment, expected):
    loss = losses.assignment_orthogonality_loss(torch.tensor(assignment))

    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_assignment_orthogonality_averages_over_all_pairs_of_three():
    # categories 0 and 1 share feature 0 equally, category 2 has feature 1 alone: two of six ordered pairs
    assignment = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])

    assert losses.assignment_orthogonality_loss(assignment).item() == pytest.approx(2 / 6, abs=1e-6)


def test_an_emptied_category_leaves_the_assignments_losses_finite():
    assignment = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    family = torch.eye(2)

    total = (
        losses.assignment_orthogonality_loss(assignment)
        + losses.assignment_balance_loss(assignment)
        + losses.assignment_family_loss(assignment, family)
    )
    total.backward()

    assert total.item() == pytest.approx(0 + 1 + 0.5, abs=1e-6)
    assert assignment.grad.isfinite().all()


@given(st.integers(1, 9), st.integers(1, 5))
def test_balance_is_zero_when_shared_out_evenly(categories, features_each):
    even = torch.eye(categories).repeat(features_each, 1)
    soft = torch.full((features_each, categories), 1 / categories)

    assert losses.assignment_balance_loss(even).item() == pytest.approx(0, abs=1e-6)
    assert losses.assignment_balance_loss(soft).item() == pytest.approx(0, abs=1e-6)


@given(st.integers(1, 9), st.integers(1, 5))
def test_balance_is_one_less_than_the_categories_when_one_has_all(categories, features):
    assignment = torch.zeros(features, categories)
    assignment[:, -1] = 1

    assert losses.assignment_balance_loss(assignment).item() == pytest.approx(categories - 1, abs=1e-5)


def test_balance_by_hand():
    # shares 3/4 and 1/4: 2 * (1/16 + 1/16)
    assignment = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])

    assert losses.assignment_balance_loss(assignment).item() == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], 0.0),  # one family each
        ([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], 0.5),  # both families in one category
        ([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]], 0.5),  # each category half and half
        # category 0: 3 features, mix 2/3 and 1/3, so 5/9; category 1: 1 feature, pure
        ([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], 1 - (0.75 * 5 / 9 + 0.25)),
    ],
)
def test_the_family_loss_by_hand(assignment, expected):
    families = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])

    loss = losses.assignment_family_loss(torch.tensor(assignment), families)

    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_stacked_terms_keep_the_order_of_their_names_and_carry_no_gradient():
    values = {name: torch.tensor(float(i), requires_grad=True) for i, name in enumerate(LOSS_NAMES)}

    stacked = LossTerms(**values).stacked()

    assert LOSS_NAMES[0] == "total"
    assert stacked.tolist() == [float(i) for i in range(len(LOSS_NAMES))]
    assert not stacked.requires_grad


def test_distances_far_from_the_origin_are_not_lost():
    """The difference of large squares would round away what lies between two near rows."""
    near = torch.tensor([[0.0], [1.0], [3.0], [4.5]])

    assert losses.topographic_similarity(near, near + 100).item() == pytest.approx(1, abs=1e-4)
    assert math.isfinite(losses.topographic_similarity(near, near + 1e6).item())
