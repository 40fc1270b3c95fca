import math

import pytest
import torch

from catvq.model.metrics import (
    stream_perplexity,
    stream_usage,
    summarize_assignment,
    summarize_codebooks,
)


def test_perplexity_by_hand():
    counts = torch.tensor(
        [[5.0, 5.0, 0.0, 0.0], [7.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [3.0, 1.0, 0.0, 0.0]]
    )
    skewed = math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))

    assert stream_perplexity(counts).tolist() == pytest.approx([2, 1, 4, skewed])


def test_perplexity_where_nothing_was_counted_is_one():
    assert stream_perplexity(torch.zeros(2, 3)).tolist() == [1, 1]


def test_usage_counts_only_the_codes_that_exist():
    counts = torch.tensor([[5.0, 1.0, 0.0, 0.0], [2.0, 9.0, 0.0, 0.0]])
    mask = torch.tensor([[True, True, True, True], [True, True, False, False]])

    assert stream_usage(counts, mask).tolist() == [0.5, 1.0]
    summary = summarize_codebooks(counts, mask)
    assert summary.usage == pytest.approx(4 / 6)
    assert summary.perplexity == pytest.approx(stream_perplexity(counts).mean().item())


def test_perplexity_over_an_epoch_differs_from_the_mean_over_its_batches():
    """Two batches that use one code each: each alone has perplexity 1, together they use two codes."""
    batches = torch.tensor([[[4.0, 0.0]], [[0.0, 4.0]]])

    assert stream_perplexity(batches.sum(dim=0)).item() == pytest.approx(2)
    assert stream_perplexity(batches[:, 0]).mean().item() == pytest.approx(1)


def test_an_assignment_is_summarised_by_hand():
    soft = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.95, 0.0, 0.05], [0.2, 0.2, 0.6]])

    summary = summarize_assignment(soft, torch.tensor([0, 1, 0, 1]))

    entropies = [0, math.log(2), -0.95 * math.log(0.95) - 0.05 * math.log(0.05)]
    entropies.append(-0.4 * math.log(0.2) - 0.6 * math.log(0.6))
    assert summary.entropy == pytest.approx(sum(entropies) / 4 / math.log(3))
    assert summary.confident_fraction == 0.5
    assert summary.changed_last_epoch == 2
    assert summary.active_categories == 2


def test_an_even_assignment_has_entropy_one_and_a_hard_one_zero():
    grouping = torch.tensor([0, 1])

    assert summarize_assignment(torch.full((2, 4), 0.25), grouping).entropy == pytest.approx(1)
    assert summarize_assignment(torch.eye(4)[:2], grouping).entropy == 0


def test_one_category_is_settled():
    summary = summarize_assignment(torch.ones(3, 1), torch.zeros(3, dtype=torch.int64))

    assert (summary.entropy, summary.confident_fraction, summary.active_categories) == (0, 1, 1)
