import pytest
import torch

from catvq.codebook import CodebookBank
from catvq.quantizer import LevelQuantizer

CATEGORIES, LEVELS, ROWS, EMBEDDING = 2, 3, 50, 4


@pytest.fixture(params=["ema", "gradient"])
def quantizer(request):
    codebooks = CodebookBank([5, 3, 4, 2, 5, 1], [2, 3, 1, 3, 2, 2], update=request.param)
    return LevelQuantizer(num_categories=CATEGORIES, embedding_dim=EMBEDDING, codebooks=codebooks)


def test_quantized_equals_the_codebook_rows_bit_for_bit(quantizer):
    """Latents minus latents is exactly zero; the usual form rounds a third of the entries."""
    for scale in (1e-3, 1.0, 1e3):
        result = quantizer(scale * torch.randn(CATEGORIES, ROWS, EMBEDDING))
        rows = quantizer.codebooks.lookup(result.codes)

        assert torch.equal(result.quantized, rows)
        assert torch.equal(result.rows, rows)


def test_the_gradient_passes_straight_through_to_the_latents(quantizer):
    result = quantizer(torch.randn(CATEGORIES, ROWS, EMBEDDING))
    result.latents.retain_grad()
    weight = torch.randn_like(result.quantized)

    (result.quantized * weight).sum().backward()

    assert torch.equal(result.latents.grad, weight)
    assert quantizer.codebooks.codes.grad is None


def test_only_the_rows_carry_a_gradient_to_a_gradient_codebook():
    codebooks = CodebookBank([2], [1], update="gradient")
    quantizer = LevelQuantizer(num_categories=1, embedding_dim=1, codebooks=codebooks)
    result = quantizer(torch.zeros(1, 3, 1))

    result.rows.sum().backward()

    expected = torch.zeros(2)
    expected[result.codes[0, 0]] = 3
    assert torch.equal(codebooks.codes.grad.flatten(), expected)
    assert quantizer.weight.grad is None


def test_codes_are_the_nearest_to_the_latents(quantizer):
    result = quantizer(torch.randn(CATEGORIES, ROWS, EMBEDDING))

    assert torch.equal(result.codes, quantizer.codebooks.nearest(result.latents))
    assert result.codes.shape == (CATEGORIES * LEVELS, ROWS)


def test_streams_are_ordered_by_category_and_then_level(quantizer):
    embeddings = torch.randn(CATEGORIES, ROWS, EMBEDDING)

    latents = quantizer.project(embeddings)

    for category in range(CATEGORIES):
        for level in range(LEVELS):
            stream = category * LEVELS + level
            width = int(quantizer.codebooks.latent_mask[stream].sum())
            expected = embeddings[category] @ quantizer.weight[stream] + quantizer.bias[stream]
            assert torch.allclose(latents[stream, :, :width], expected[:, :width], atol=1e-6)
            assert (latents[stream, :, width:] == 0).all()


def test_the_weights_of_padding_get_no_gradient(quantizer):
    result = quantizer(torch.randn(CATEGORIES, ROWS, EMBEDDING))
    result.quantized.square().sum().backward()

    padded = quantizer.codebooks.latent_mask == 0
    assert (quantizer.bias.grad[padded] == 0).all()
    assert (quantizer.weight.grad.transpose(1, 2)[padded] == 0).all()
    assert (quantizer.bias.grad[~padded] != 0).any()
