import dataclasses

import pytest
import torch

from catvq.config import AssignmentWeights, RunConfig
from catvq.model import losses
from catvq.model.losses import LOSS_NAMES
from catvq.model.routing import SoftRouting
from catvq.model.vqvae import CategoricalVQVAE, ModelShape
from catvq.training.stage.objective import ObjectiveWeights, add_assignment_terms, model_terms

WEIGHTS = ObjectiveWeights(
    commitment=2.0,
    codebook_orthogonality=3.0,
    informativeness=5.0,
    topographic=7.0,
    topographic_samples=6,
    assignment=AssignmentWeights(orthogonality=11.0, balance=13.0, family=17.0),
)


def forward(update="ema", rows=12):
    model = CategoricalVQVAE(
        ModelShape(
            num_features=4,
            num_categories=2,
            levels=2,
            codebook_sizes=(3, 4, 2, 5),
            latent_dims=(2, 1, 3, 2),
            embedding_dim=4,
            hidden_dim=5,
            dropout=0.0,
            codebook_update=update,
        )
    )
    return model, torch.randn(rows, 4), SoftRouting(torch.softmax(torch.randn(4, 2), dim=1))


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_the_total_is_the_weighted_sum_of_its_terms(update):
    model, features, routing = forward(update)

    terms, _ = model_terms(features, model, routing, WEIGHTS)

    expected = (
        terms.reconstruction
        + terms.codebook
        + 2 * terms.commitment
        + 3 * terms.codebook_orthogonality
        + 5 * terms.informativeness
        + 7 * (terms.topographic_latents + terms.topographic_quantized)
    )
    assert terms.total.item() == pytest.approx(expected.item(), rel=1e-6)
    assert all(getattr(terms, name) == 0 for name in LOSS_NAMES if name.startswith("assignment"))


def test_each_term_is_computed_from_what_it_is_named_after():
    model, features, routing = forward()
    output = model(features, routing)
    quantization = output.quantization

    terms, _ = model_terms(features, model, routing, WEIGHTS)

    def flat(representation):
        return representation[:, :6].transpose(0, 1).flatten(1)[:, model.decoder.valid]

    assert terms.reconstruction == losses.reconstruction_loss(output.reconstructed, features)
    own_errors = model.own_errors(features, quantization, routing)
    assert terms.informativeness.item() == pytest.approx(own_errors.sum().item() / 2)
    assert terms.codebook == terms.commitment > 0
    assert terms.topographic_latents == losses.topographic_loss(features[:6], flat(quantization.latents))
    assert terms.topographic_quantized == losses.topographic_loss(features[:6], flat(quantization.quantized))


def test_terms_of_weight_zero_are_zero_and_the_total_is_what_is_left():
    model, features, routing = forward()
    none = dataclasses.replace(WEIGHTS, codebook_orthogonality=0.0, informativeness=0.0, topographic=0.0)

    terms, _ = model_terms(features, model, routing, none)

    assert terms.codebook_orthogonality == terms.informativeness == terms.topographic_latents == 0
    assert terms.total == terms.reconstruction + terms.codebook + 2 * terms.commitment


def test_a_gradient_codebook_is_moved_by_all_that_is_made_of_its_codes():
    model, features, routing = forward("gradient")
    terms, _ = model_terms(features, model, routing, WEIGHTS)
    codes = model.codebooks.codes

    def gradient(value):
        return torch.autograd.grad(value, codes, retain_graph=True, allow_unused=True)[0]

    movers = {
        name
        for name in LOSS_NAMES
        if getattr(terms, name).requires_grad and gradient(getattr(terms, name)) is not None
    }
    assert movers == {
        "total",
        "reconstruction",
        "codebook",
        "codebook_orthogonality",
        "informativeness",
        "topographic_quantized",
    }


def test_the_codebook_loss_of_a_moving_average_moves_nothing():
    model, features, routing = forward("ema")
    terms, _ = model_terms(features, model, routing, WEIGHTS)

    assert not terms.codebook.requires_grad
    assert terms.commitment.requires_grad


def test_the_orthogonality_of_a_moving_average_codebook_moves_the_encoder_through_the_centroids():
    model, features, routing = forward("ema", rows=40)
    terms, centroids = model_terms(features, model, routing, WEIGHTS)
    means = centroids.sums / centroids.counts.clamp_min(1).unsqueeze(2)

    (gradient,) = torch.autograd.grad(
        terms.codebook_orthogonality, model.encoder.linear_weight, retain_graph=True
    )

    assert terms.codebook_orthogonality == losses.codebook_orthogonality_loss(means, centroids.counts > 0)
    assert (gradient != 0).any()


def test_the_centroids_count_every_row_once_per_token():
    model, features, routing = forward()

    _, centroids = model_terms(features, model, routing, WEIGHTS)

    assert centroids.counts.sum(dim=1).tolist() == [12.0] * 4
    quantization = model(features, routing).quantization
    targets = model.codebooks.targets(quantization.latents, quantization.rows)
    assert torch.allclose(centroids.sums.sum(dim=1), targets.sum(dim=1), atol=1e-5)


def test_a_batch_smaller_than_the_topographic_sample_uses_every_row():
    model, features, routing = forward(rows=3)

    terms, _ = model_terms(features, model, routing, WEIGHTS)

    assert all(value.isfinite() for value in terms.stacked())


def test_the_assignments_own_terms_are_added_with_their_weights():
    model, features, routing = forward()
    terms, _ = model_terms(features, model, routing, WEIGHTS)
    assignment = torch.tensor([[0.5, 0.5], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    family = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])

    full = add_assignment_terms(terms, assignment, family, WEIGHTS.assignment)

    added = 11 * full.assignment_orthogonality + 13 * full.assignment_balance + 17 * full.assignment_family
    assert full.total.item() == pytest.approx((terms.total + added).item())
    assert full.assignment_balance == losses.assignment_balance_loss(assignment)
    assert full.assignment_family == losses.assignment_family_loss(assignment, family)
    assert full.assignment_orthogonality == losses.assignment_orthogonality_loss(assignment)
    assert all(
        getattr(full, name) is getattr(terms, name)
        for name in LOSS_NAMES
        if name != "total" and not name.startswith("assignment")
    )
    full.total.backward()
    assert (assignment.grad != 0).any()


def test_weights_are_read_from_the_configuration():
    config = RunConfig.from_dict(
        {
            "model": {
                "commitment_weight": 2.0,
                "codebook_orthogonality_weight": 3.0,
                "informativeness_weight": 5.0,
                "topographic_weight": 7.0,
                "topographic_samples": 6,
            },
            "assignment": {
                "orthogonality_weight": 11.0,
                "balance_weight": 13.0,
                "family_constraint_weight": 17.0,
            },
        }
    )

    assert ObjectiveWeights.from_config(config) == WEIGHTS
    assert len(dataclasses.fields(ObjectiveWeights)) == 6
