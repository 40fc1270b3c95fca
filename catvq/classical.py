"""Starts a model where classical quantisation ends: components, k-means by levels, ridge regression.

Shapes: B rows, D features, G categories, E latent_dim.
"""

import torch
from torch import Tensor

from catvq.model import CategoricalVQVAE
from catvq.routing import HardRouting, Routing

RIDGE = 1e-3  # of a feature's variance: keeps directions that hardly vary from being blown up


@torch.no_grad()
def start_classically(
    model: CategoricalVQVAE, features: Tensor, grouping: Tensor, routing: Routing | None = None
) -> None:
    """Set a model's linear paths and codebooks, and its non-linear paths to zero. Uses torch's generator.

    Each category's latent is its features' principal components; its codes are placed by k-means, and the
    decoder is the ridge regression of all features on the quantised latents of all categories.

    Args:
        model: Changed in place; on the device of the features.
        features: float32 [B, D], centred.
        grouping: int64 [D], the category of each feature.
        routing: How the features reach their categories; hard, by the grouping, when not given.
    """
    encoder, decoder = model.encoder, model.decoder
    hard = HardRouting.from_grouping(grouping, model.shape.num_categories)
    encoder.linear_weight.zero_()
    for category, components in enumerate(_components(features, hard, encoder.latent_mask)):
        encoder.linear_weight[category, hard.index[category, : len(components)]] = components
    for path in (encoder.head_weight, encoder.head_bias, decoder.output.weight, decoder.output.bias):
        path.zero_()
    model.eval()
    latents = model.latents(features, hard if routing is None else routing)
    model.codebooks.start_from(latents)
    rows = model.codebooks.lookup(model.codebooks.nearest(latents))
    inputs = decoder.read(rows.view(len(latents), -1, *latents.shape[1:]).sum(dim=1))
    weight, bias = _ridge(inputs.double(), features.double())
    decoder.linear.weight.copy_(weight.T)
    decoder.linear.bias.copy_(bias)


def _components(features: Tensor, hard: HardRouting, latent_mask: Tensor) -> list[Tensor]:
    """Weights from each category's features to its leading principal components, float32 [n, E] each.

    They undo the category's gate.
    """
    centred = features - features.mean(dim=0)
    found = []
    for index, mask, gate, wanted in zip(hard.index, hard.mask, hard.gate(), latent_mask.sum(1), strict=True):
        size = int(mask.sum())
        own = centred[:, index[:size]].double()
        directions = torch.linalg.eigh(own.T @ own).eigenvectors.flip(1)[:, : int(wanted)]
        weights = features.new_zeros(size, latent_mask.shape[1])
        weights[:, : directions.shape[1]] = directions.float() / gate[:size].unsqueeze(1)
        found.append(weights)
    return found


def _ridge(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Linear prediction of the targets [B, D] from the inputs [B, F]: weights [F, D] and offsets [D]."""
    centre, offset = inputs.mean(dim=0), targets.mean(dim=0)
    deviations = inputs - centre
    moments = deviations.T @ deviations
    moments.diagonal().add_(RIDGE * len(inputs))
    weights = torch.linalg.solve(moments, deviations.T @ (targets - offset))
    return weights, offset - centre @ weights
