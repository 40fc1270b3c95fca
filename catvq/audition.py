"""Lets groupings compete as what they are for: every one quantises its own categories, side by side.

Held-out error finds what belongs together, but not what a few codes per category can carry: where everything
depends on everything it favours one large category. So the candidates are compared in the currency of the
product. All of them are trained at once, as one model over as many copies of the features.

Shapes: C candidates, B rows, D features, G categories, L levels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catvq.config import RunConfig
from catvq.errors import Interrupted
from catvq.losses import commitment_loss
from catvq.model import CategoricalVQVAE
from catvq.randomness import OwnRandomness
from catvq.routing import HardRouting
from catvq.start import resolve_shape

AUDITION_STEPS = 300
AUDITION_BATCH_SIZE = 128
AUDITION_ROWS = 2048  # most rows that place the codes, and that judge
LEARNING_RATE = 0.003  # short training
MARGIN = 0.01  # a challenger must be better than the start by this part: less is noise


@dataclass(frozen=True)
class AuditionResult:
    """How the candidates did.

    Attributes:
        errors: Mean error of the categories' own features after quantisation, on rows that trained nothing;
            1 is as good as the mean. In the order of the candidates.
        winner: The first candidate, unless another is clearly better.
    """

    errors: list[float]
    winner: int


def audition(
    groupings: Sequence[NDArray[np.int64]],
    *,
    num_categories: int,
    config: RunConfig,
    train: Tensor,
    held_out: Tensor,
    should_stop: Callable[[], bool],
) -> AuditionResult:
    """Train all candidates for a while, and compare them.

    Args:
        groupings: int64 [D] each; the first is the one to beat.
        num_categories: G.
        config: Sizes and weights of the model, and the seed.
        train: float32 [B, D], training rows.
        held_out: float32 [B, D], rows that judge.
        should_stop: Asked before every step.

    Raises:
        Interrupted: `should_stop` said so; nothing is lost but the audition.
    """
    count, device = len(groupings), train.device
    grouping = np.concatenate([g + i * num_categories for i, g in enumerate(groupings)])
    shape = resolve_shape(config, grouping=grouping, num_categories=count * num_categories, rows=len(train))
    randomness = OwnRandomness(config.training.seed, device)
    with randomness.scope():
        model = CategoricalVQVAE(shape).to(device)
        routing = HardRouting.from_grouping(torch.from_numpy(grouping).to(device), count * num_categories)
        optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
        model.codebooks.start_from(_latents(model, train[:AUDITION_ROWS].repeat(1, count), routing))
        for _ in range(AUDITION_STEPS):
            if should_stop():
                raise Interrupted("stopped while the starts were compared")
            picks = torch.randint(len(train), (min(AUDITION_BATCH_SIZE, len(train)),), device=device)
            _step(model, optimizer, train[picks].repeat(1, count), routing, config)
        errors = _own_errors(model, held_out[:AUDITION_ROWS].repeat(1, count), routing, count)
    winner = int(np.argmin(errors))
    return AuditionResult(errors, winner if errors[winner] < (1 - MARGIN) * errors[0] else 0)


def _step(
    model: CategoricalVQVAE,
    optimizer: torch.optim.Optimizer,
    features: Tensor,
    routing: HardRouting,
    config: RunConfig,
) -> None:
    model.train()
    quantization, own_errors = model.own_errors(features, routing)
    books = model.codebooks
    commitment = commitment_loss(quantization.latents, quantization.rows, books.latent_mask)
    loss = own_errors.sum() + config.model.commitment_weight * commitment
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    books.observe(
        *(part.detach() for part in books.batch_centroids(quantization.latents, quantization.codes))
    )


@torch.no_grad()
def _own_errors(model: CategoricalVQVAE, features: Tensor, routing: HardRouting, count: int) -> list[float]:
    model.eval()
    _, own_errors = model.own_errors(features, routing)
    # Errors are shares of all copies of the features; a candidate has 1 / count of them.
    per_candidate = own_errors.view(count, -1, own_errors.shape[1]).sum(dim=1) * count
    return [float(error) for error in per_candidate.mean(dim=1)]


@torch.no_grad()
def _latents(model: CategoricalVQVAE, features: Tensor, routing: HardRouting) -> Tensor:
    model.eval()
    return model.latents(features, routing)
