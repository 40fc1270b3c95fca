"""Metrics of codebooks, assignments and reconstructions, for reports and progress.

Shapes: B rows, D features, G categories, S streams, K codebook_size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

CONFIDENT = 0.9  # a feature counts as confident above this probability


@dataclass(frozen=True)
class CodebookSummary:
    """Usage of all codebooks over a window of rows.

    Attributes:
        perplexity: Mean over streams of exp(entropy of code use); at most the codebook size.
        usage: Fraction of all codes used at least once.
    """

    perplexity: float
    usage: float


@dataclass(frozen=True)
class AssignmentSummary:
    """How decided a soft assignment is.

    Attributes:
        entropy: Mean row entropy divided by log G, in [0, 1].
        confident_fraction: Features whose largest probability exceeds CONFIDENT.
        changed_last_epoch: Features whose most probable category changed.
        active_categories: Categories that are the most probable of at least one feature.
    """

    entropy: float
    confident_fraction: float
    changed_last_epoch: int
    active_categories: int


def stream_perplexity(usage_counts: Tensor) -> Tensor:
    """Perplexity of each stream: float32 [S, K] counts -> [S]; 1 if nothing was counted."""
    share = usage_counts / usage_counts.sum(dim=1, keepdim=True).clamp_min(1.0)
    perplexity: Tensor = torch.special.entr(share).sum(dim=1).exp()
    return perplexity


def stream_usage(usage_counts: Tensor, code_mask: Tensor) -> Tensor:
    """Fraction of each stream's codes that were used: [S, K], bool [S, K] -> float32 [S]."""
    return (usage_counts > 0).sum(dim=1) / code_mask.sum(dim=1)


def summarize_codebooks(usage_counts: Tensor, code_mask: Tensor) -> CodebookSummary:
    """Perplexity and usage over all streams."""
    return CodebookSummary(
        perplexity=float(stream_perplexity(usage_counts).mean()),
        usage=float((usage_counts > 0).sum() / code_mask.sum()),
    )


def summarize_assignment(soft: Tensor, previous_grouping: Tensor) -> AssignmentSummary:
    """Summarise a soft assignment, float32 [D, G], and compare it with the previous grouping, int64 [D]."""
    num_categories = soft.shape[1]
    grouping = soft.argmax(dim=1)
    normalizer = torch.tensor(float(max(num_categories, 2))).log()
    return AssignmentSummary(
        entropy=float(torch.special.entr(soft).sum(dim=1).mean() / normalizer),
        confident_fraction=float((soft.amax(dim=1) > CONFIDENT).float().mean()),
        changed_last_epoch=int((grouping != previous_grouping).sum()),
        active_categories=int(torch.unique(grouping).numel()),
    )
