import pytest
import torch

from catvq.model.codes.codebook import CodebookBank
from catvq.model.codes.quantizer import quantize

CATEGORIES, LEVELS, ROWS, WIDTH = 2, 3, 50, 3


@pytest.fixture(params=["ema", "gradient"])
def codebooks(request):
    return CodebookBank([5, 3, 4, 2, 5, 1], [2, 3, 1, 3, 2, 2], update=request.param)


def latents(scale=1.0):
    return (scale * torch.randn(CATEGORIES, ROWS, WIDTH)).requires_grad_()


def test_what_the_decoder_reads_equals_the_sum_of_the_codebook_rows_bit_for_bit(codebooks):
    """Latents minus latents is exactly zero; the usual form rounds a third of the entries."""
    for scale in (1e-3, 1.0, 1e3):
        result = quantize(codebooks, latents(scale))
        rows = codebooks.lookup(result.codes).view(CATEGORIES, LEVELS, ROWS, WIDTH)

        assert torch.equal(result.quantized, rows.cumsum(dim=1)[:, -1])
        assert torch.equal(result.rows, rows.flatten(0, 1))
        assert torch.allclose(result.sums, result.quantized, rtol=1e-5, atol=1e-5 * scale)


def test_the_gradient_passes_straight_through_to_the_latents(codebooks):
    before = latents()
    result = quantize(codebooks, before)
    weight = torch.randn_like(result.quantized)

    (result.quantized * weight).sum().backward()

    assert torch.equal(before.grad, weight)
    assert (codebooks.codes.grad is not None) == (codebooks.update_rule == "gradient")


def test_a_gradient_codebook_is_moved_by_what_is_made_of_its_chosen_rows():
    codebooks = CodebookBank([2], [1], update="gradient")
    result = quantize(codebooks, torch.zeros(1, 3, 1))

    result.quantized.sum().backward()

    expected = torch.zeros(2)
    expected[result.codes[0, 0]] = 3
    assert torch.equal(codebooks.codes.grad.flatten(), expected)


def test_each_prefix_adds_a_level(codebooks):
    result = quantize(codebooks, latents())
    prefixes = result.prefixes.view(CATEGORIES, LEVELS, ROWS, WIDTH)
    rows = result.rows.view(CATEGORIES, LEVELS, ROWS, WIDTH)

    assert torch.equal(prefixes[:, 0], rows[:, 0])
    assert torch.allclose(prefixes.diff(dim=1), rows[:, 1:], atol=1e-6)
