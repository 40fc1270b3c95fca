"""Initialises a model classically: principal components, residual k-means, ridge regression.

Shapes: B rows, D features, G categories, E latent_dim.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from catvq.model.codes.codebook import KMEANS_ITERATIONS
from catvq.model.routing import HardRouting, Routing
from catvq.model.vqvae import CategoricalVQVAE

RIDGE = 0.02  # relative to a feature's variance: regularises towards each category's own directions
EPSILON = 1e-12


@torch.no_grad()
def start_classically(
    model: CategoricalVQVAE,
    features: Tensor,
    grouping: Tensor,
    routing: Routing | None = None,
    *,
    iterations: int = KMEANS_ITERATIONS,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Initialise linear paths and codebooks; set non-linear paths to zero. Uses torch's generator.

    Each category's latent is set to its features' principal components and its codes are placed by k-means.
    The decoder inverts the components; a ridge regression on the quantised latents of all categories
    predicts the remaining error of all features.

    Args:
        model: Changed in place; on the device of the features.
        features: float32 [B, D], centred.
        grouping: int64 [D], the category of each feature.
        routing: Routing of the features to categories; by default hard, by the grouping.
        iterations: Of k-means, at most.
        should_stop: Asked while codes are placed.

    Raises:
        Interrupted: `should_stop` said so; the model is not started.
    """
    encoder, decoder = model.encoder, model.decoder
    hard = HardRouting.from_grouping(grouping, model.shape.num_categories)
    directions = _directions(features, hard, encoder.latent_mask)
    for path in (encoder.head_weight, encoder.head_bias, decoder.output.weight, decoder.output.bias):
        path.zero_()
    gate = features.new_zeros(len(directions), features.shape[1]).scatter_add_(1, hard.index, hard.gate())
    encoder.linear_weight.copy_(directions / gate.clamp_min(EPSILON).unsqueeze(2))
    model.eval()
    latents = model.latents(features, hard if routing is None else routing)
    model.codebooks.start_from(latents, iterations, should_stop)
    rows = model.codebooks.lookup(model.codebooks.nearest(latents))
    inputs = decoder.read(rows.view(len(latents), -1, *latents.shape[1:]).sum(dim=1)).double()
    back = directions.transpose(1, 2).flatten(0, 1)[decoder.valid].double()
    weight, bias = _ridge(inputs, features.double() - inputs @ back)
    decoder.linear.weight.copy_((back + weight).T)
    decoder.linear.bias.copy_(bias)


def _directions(features: Tensor, hard: HardRouting, latent_mask: Tensor) -> Tensor:
    """Leading principal directions of each category, float32 [G, D, E]; zero for other features."""
    centred = features - features.mean(dim=0)
    directions = features.new_zeros(len(latent_mask), features.shape[1], latent_mask.shape[1])
    for category, (index, mask) in enumerate(zip(hard.index, hard.mask, strict=True)):
        members = index[: int(mask.sum())]
        own = centred[:, members].double()
        leading = torch.linalg.eigh(own.T @ own).eigenvectors.flip(1)[:, : int(latent_mask[category].sum())]
        directions[category, members, : leading.shape[1]] = leading.float()
    return directions


def _ridge(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Linear prediction of the targets [B, D] from the inputs [B, F]: weights [F, D] and offsets [D]."""
    centre, offset = inputs.mean(dim=0), targets.mean(dim=0)
    deviations = inputs - centre
    moments = deviations.T @ deviations
    moments.diagonal().add_(RIDGE * len(inputs))
    weights = torch.linalg.solve(moments, deviations.T @ (targets - offset))
    return weights, offset - centre @ weights
