import dataclasses

import pytest
import torch
import torch.nn.functional as F

from catvq.errors import ConfigError
from catvq.model.codes.quantizer import quantize
from catvq.model.routing import HardRouting, SoftRouting
from catvq.model.vqvae import CategoricalVQVAE, ModelShape

SHAPE = ModelShape(
    num_features=5,
    num_categories=3,
    levels=2,
    codebook_sizes=(4, 3, 2, 4, 1, 5),
    latent_dims=(2, 3, 1, 2, 2, 1),
    embedding_dim=4,
    hidden_dim=6,
    dropout=0.0,
)
GROUPING = torch.tensor([0, 2, 0, 2, 2])  # category 1 is empty
ROWS = 7


def routes():
    return SoftRouting(F.one_hot(GROUPING, 3).float()), HardRouting.from_grouping(GROUPING, 3)


def some_route():
    return SoftRouting(torch.softmax(torch.randn(5, 3), dim=1))


def test_a_forward_pass_has_one_token_per_category_and_level():
    model = CategoricalVQVAE(SHAPE)

    output = model(torch.randn(ROWS, 5), some_route())

    assert output.quantization.codes.shape == (6, ROWS)
    assert output.quantization.latents.shape == (3, ROWS, 3)
    assert output.reconstructed.shape == (ROWS, 5)


def test_the_soft_route_under_a_one_hot_assignment_is_the_hard_route_with_the_same_gradients():
    results = []
    for routing in routes():
        torch.manual_seed(0)
        model, features = CategoricalVQVAE(SHAPE), torch.randn(ROWS, 5)
        output = model(features, routing)
        own_error = model.own_errors(features, output.quantization, routing).sum()
        (output.reconstructed.square().sum() + own_error).backward()
        gradients = {name: value.grad for name, value in model.named_parameters()}
        results.append((output, own_error, gradients))
    (soft, soft_own, soft_gradients), (hard, hard_own, hard_gradients) = results

    assert torch.equal(soft.quantization.codes, hard.quantization.codes)
    torch.testing.assert_close(soft.reconstructed, hard.reconstructed, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(soft_own, hard_own, rtol=1e-5, atol=1e-6)
    for name, gradient in soft_gradients.items():
        torch.testing.assert_close(gradient, hard_gradients[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_a_moving_average_codebook_is_no_parameter_of_the_model_and_a_gradient_one_is(update):
    model = CategoricalVQVAE(dataclasses.replace(SHAPE, codebook_update=update))

    found = [name for name, _ in model.named_parameters() if "codebooks" in name]

    assert found == ([] if update == "ema" else ["codebooks.codes"])


def test_the_reconstruction_moves_every_part_but_the_partial_decoders():
    model = CategoricalVQVAE(dataclasses.replace(SHAPE, codebook_update="gradient"))

    model(torch.randn(ROWS, 5), some_route()).reconstructed.square().sum().backward()

    still = {name for name, value in model.named_parameters() if value.grad is None}
    assert still == {
        "partial_hidden",
        "partial_hidden_bias",
        "partial_output",
        "partial_output_bias",
    }


def test_informativeness_moves_encoder_and_partial_decoders_but_not_the_shared_decoder():
    model = CategoricalVQVAE(SHAPE)

    features, routing = torch.randn(ROWS, 5), some_route()

    model.own_errors(features, model(features, routing).quantization, routing).sum().backward()

    still = {name for name, value in model.named_parameters() if value.grad is None}
    layers = ("linear", "hidden", "output")
    assert still == {f"decoder.{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    assert (model.encoder.feature_weight.grad != 0).any()


def test_the_gradient_of_the_reconstruction_reaches_the_assignment():
    logits = torch.randn(5, 3, requires_grad=True)
    model = CategoricalVQVAE(SHAPE)

    model(torch.randn(ROWS, 5), SoftRouting(torch.softmax(logits, 1))).reconstructed.square().sum().backward()

    assert (logits.grad != 0).all()


def test_decoding_the_codes_gives_the_reconstruction():
    model, features, routing = CategoricalVQVAE(SHAPE).eval(), torch.randn(ROWS, 5), routes()[1]

    codes = model.encode(features, routing)
    output = model(features, routing)

    assert codes.shape == (ROWS, 6)
    assert torch.equal(codes.T, output.quantization.codes)
    assert torch.allclose(model.decode(codes), output.reconstructed, atol=1e-6)


def test_a_category_without_its_finer_levels_rebuilds_its_features_from_the_coarser_ones():
    model, features, routing = CategoricalVQVAE(SHAPE).eval(), torch.randn(ROWS, 5), routes()[1]
    quantization = model(features, routing).quantization

    errors = model.own_errors(features, quantization, routing)

    with torch.no_grad():
        model.codebooks.codes[1::2] = 0.0
    coarse = quantize(model.codebooks, quantization.latents)
    rows = quantization.rows.view(3, 2, ROWS, -1)
    assert errors.shape == (3, 2)
    assert torch.equal(quantization.prefixes[0::2], rows[:, 0])
    assert torch.allclose(quantization.prefixes[1::2], rows.sum(dim=1))
    assert torch.equal(coarse.prefixes[0::2], coarse.prefixes[1::2])


def test_latents_are_those_of_the_forward_pass():
    model, features, routing = CategoricalVQVAE(SHAPE).eval(), torch.randn(ROWS, 5), some_route()

    assert torch.equal(model.latents(features, routing), model(features, routing).quantization.latents)


def test_under_a_hard_route_a_categorys_codes_depend_only_on_its_own_features():
    model, features = CategoricalVQVAE(SHAPE).eval(), torch.randn(50, 5)
    for routing in routes():
        before = model.encode(features, routing)
        changed = features.clone()
        changed[:, GROUPING == 2] = torch.randn(50, 3)
        after = model.encode(changed, routing)

        assert torch.equal(after[:, :4], before[:, :4])
        assert not torch.equal(after[:, 4:], before[:, 4:])


def test_an_empty_category_gives_every_row_the_same_code():
    codes = CategoricalVQVAE(SHAPE).eval().encode(torch.randn(50, 5), routes()[1])

    assert (codes[:, 2:4] == codes[0, 2:4]).all()


def test_dropout_is_active_in_training_and_absent_in_evaluation():
    model = CategoricalVQVAE(dataclasses.replace(SHAPE, dropout=0.5))
    features, routing = torch.randn(ROWS, 5), some_route()

    model.train()
    noisy = model(features, routing).reconstructed, model(features, routing).reconstructed
    model.eval()
    still = model(features, routing).reconstructed, model(features, routing).reconstructed

    assert not torch.equal(*noisy)
    assert torch.equal(*still)


@pytest.mark.parametrize("features", [1, 3])
@pytest.mark.parametrize("levels", [1, 2])
def test_one_category_one_level_and_one_feature_work(features, levels):
    shape = ModelShape(
        num_features=features,
        num_categories=1,
        levels=levels,
        codebook_sizes=(1,) * levels,
        latent_dims=(1,) * levels,
        embedding_dim=1,
        hidden_dim=1,
        dropout=0.0,
    )
    model = CategoricalVQVAE(shape)

    output = model(torch.randn(ROWS, features), SoftRouting(torch.ones(features, 1)))

    assert (output.quantization.codes == 0).all()
    assert output.reconstructed.isfinite().all()


@pytest.mark.parametrize("field", ["codebook_sizes", "latent_dims"])
def test_a_shape_with_too_few_sizes_is_refused(field):
    with pytest.raises(ConfigError, match="6 streams"):
        dataclasses.replace(SHAPE, **{field: (2, 2)})
