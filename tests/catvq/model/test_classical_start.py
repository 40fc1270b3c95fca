import pytest
import torch
import torch.nn.functional as F

from catvq.model.classical_start import start_classically
from catvq.model.routing import HardRouting, SoftRouting
from catvq.model.vqvae import CategoricalVQVAE, ModelShape

GROUPING = torch.tensor([0, 1, 0, 1, 1, 0])


def build(*, codes=64, levels=2, width=3, categories=2):
    streams = categories * levels
    return CategoricalVQVAE(
        ModelShape(
            num_features=6,
            num_categories=categories,
            levels=levels,
            codebook_sizes=(codes,) * streams,
            latent_dims=(width,) * streams,
            embedding_dim=4,
            hidden_dim=5,
            dropout=0.0,
        )
    )


def error(model, features, routing):
    model.eval()
    return (model(features, routing).reconstructed - features).square().mean().item()


@pytest.fixture
def features():
    causes = torch.randn(2000, 2)
    features = causes[:, GROUPING] + 0.3 * torch.randn(2000, 6)
    return features / features.std(dim=0)


def test_latents_are_the_categorys_principal_components(features):
    model = build()

    start_classically(model, features, GROUPING)

    latents = model.latents(features, HardRouting.from_grouping(GROUPING, 2))
    for category in range(2):
        own = features[:, category == GROUPING]
        variances = torch.linalg.eigvalsh(torch.cov(own.T)).flip(0)
        covariance = torch.cov(latents[category].T)
        assert torch.allclose(covariance.diagonal(), variances, rtol=0.01)
        assert (covariance - covariance.diag().diag()).abs().max() < 0.01


def test_the_start_rebuilds_rows_and_better_from_more_codes(features):
    routing, errors = HardRouting.from_grouping(GROUPING, 2), []
    for codes in (4, 16, 64):
        model = build(codes=codes)
        start_classically(model, features, GROUPING)
        errors.append(error(model, features, routing))

    assert errors[0] < 0.4
    assert errors[1] / errors[0] < 0.7
    assert errors[2] / errors[1] < 0.6


def test_the_decoder_uses_what_other_categories_tell():
    """The last feature of the second category is noise but for a copy of the first category's cause."""
    cause, other = torch.randn(2, 1000)
    columns = torch.stack([cause, other, cause, other, other, cause], dim=1) + 0.05 * torch.randn(1000, 6)
    grouping = torch.tensor([0, 1, 0, 1, 1, 1])
    model = build(codes=32, width=1)

    start_classically(model, columns, grouping)

    rebuilt = model(columns, HardRouting.from_grouping(grouping, 2)).reconstructed
    assert (rebuilt[:, 5] - columns[:, 5]).square().mean() < 0.1


def test_the_decoder_is_fitted_to_all_rows():
    """Only later rows show what the first category tells about the last feature of the second."""
    cause, other = torch.randn(2, 4096)
    columns = torch.stack([cause, other, cause, other, other, cause], dim=1) + 0.05 * torch.randn(4096, 6)
    columns[:1024, 5] = torch.randn(1024)
    grouping = torch.tensor([0, 1, 0, 1, 1, 1])
    model = build(codes=32, width=1)

    start_classically(model, columns, grouping)

    rebuilt = model(columns, HardRouting.from_grouping(grouping, 2)).reconstructed
    assert (rebuilt[1024:, 5] - columns[1024:, 5]).square().mean() < 0.2


def test_non_linear_paths_start_at_zero(features):
    model = build()
    start_classically(model, features, GROUPING)
    routing = HardRouting.from_grouping(GROUPING, 2)
    before = error(model, features, routing)

    with torch.no_grad():
        model.encoder.feature_weight.mul_(7)
        model.decoder.hidden.weight.mul_(7)

    assert error(model, features, routing) == before


def test_under_a_soft_assignment_codes_are_placed_on_the_latents_that_it_gives(features):
    grouping = torch.tensor([0, 1, 1, 1, 1, 0])
    soft = SoftRouting(0.4 * F.one_hot(grouping, 2) + 0.3)  # a small category then sees its own less loudly
    model, hard = build(), build()

    start_classically(model, features, grouping, soft)
    start_classically(hard, features, grouping)

    assert error(model, features, soft) < 0.8 * error(hard, features, soft)


@pytest.mark.parametrize("rows", [1, 5])
def test_few_rows_and_an_empty_category_are_no_trouble(rows):
    model, features = build(categories=3), torch.randn(rows, 6)

    start_classically(model, features, GROUPING)

    assert error(model, features, HardRouting.from_grouping(GROUPING, 3)) < 0.5
