"""Small networks that predict hidden cells from the visible features of one category, all restarts at once.

Some of the cells are hidden from every category; each category predicts every feature, and its error on the
hidden cells measures how well the category's *other* features predict this one. So members and non-members
are compared fairly, unlike with the reconstruction error of visible cells. A narrow global code, which all
categories can read, captures what all features have in common.

Shapes: R restarts, B rows, D features, C columns of them, G categories, M SCORER_HIDDEN_DIM,
Z SCORER_LATENT_DIM.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from catvq.features.owners import ColumnOwners
from catvq.recipe import SCORER_HIDDEN_DIM

SCORER_LATENT_DIM = 4  # close to the dimension of one latent cause: wider lets a category swallow two
GLOBAL_DIM = 1  # wide enough for one common factor; wider takes work from the categories
LATENT_NOISE = 0.15  # of a standardised latent: keeps the bottleneck from smuggling
HIDDEN_FRACTION = 0.5  # of the cells
EPSILON = 1e-5


class HeldOutScorer(nn.Module):
    """R independent sets of G category networks and one global encoder.

    Args:
        restarts: R.
        num_categories: G.
        num_features: D.
        owners: Of the columns, on the device; every feature is a column when not given.
    """

    def __init__(
        self, *, restarts: int, num_categories: int, num_features: int, owners: ColumnOwners | None = None
    ) -> None:
        super().__init__()
        self._owners = owners
        num_features = num_features if owners is None else owners.num_columns
        members = max(1.0, num_features / num_categories / 2)
        inputs = 2 * num_features  # the values, and which of them are visible
        hidden, latent = SCORER_HIDDEN_DIM, SCORER_LATENT_DIM
        shape = (restarts, num_categories)
        self.input_weight = _normal(*shape, inputs, hidden, scale=members**-0.5)
        self.input_bias = nn.Parameter(torch.zeros(*shape, 1, hidden))
        self.latent_weight = _normal(*shape, hidden, latent, scale=hidden**-0.5)
        self.global_weight = _normal(restarts, 1, inputs, hidden, scale=(num_features / 2) ** -0.5)
        self.global_bias = nn.Parameter(torch.zeros(restarts, 1, 1, hidden))
        self.global_latent_weight = _normal(restarts, 1, hidden, GLOBAL_DIM, scale=hidden**-0.5)
        width = latent + GLOBAL_DIM
        self.decoder_weight = _normal(*shape, width, hidden, scale=width**-0.5)
        self.decoder_bias = nn.Parameter(torch.zeros(*shape, 1, hidden))
        self.output_weight = _normal(*shape, hidden, num_features, scale=(4 * hidden) ** -0.5)
        self.output_bias = nn.Parameter(torch.zeros(*shape, 1, num_features))

    def forward(self, features: Tensor, assignment: Tensor, cells: Tensor | None = None) -> Tensor:
        """Compute the mean squared error of every category on the hidden cells of every feature.

        Cells are hidden at random; latent noise is added only in training.

        Args:
            features: float32 [B, C]; the variances of a feature's columns add up to 1.
            assignment: float32 [R, D, G], without gradient.
            cells: float32 [B, C], how much each cell counts; one that does not is never visible. All alike
                when not given.

        Returns:
            float32 [R, G, D].
        """
        owners = self._owners or ColumnOwners.each_its_own(features.shape[1])
        drawn = torch.rand(len(features), owners.num_features, device=features.device)
        visible = owners.spread((drawn >= HIDDEN_FRACTION).float().T).T
        weight = 1 - visible
        if cells is not None:
            visible, weight = visible * (cells > 0), weight * cells
        inputs = torch.cat([features * visible, visible - 0.5], dim=1)
        gates = (
            restart_gate(owners.share(assignment)).transpose(1, 2).repeat(1, 1, 2).unsqueeze(-1)
        )  # [R, G, 2D, 1]
        hidden = F.relu(torch.matmul(inputs, gates * self.input_weight) + self.input_bias)
        latents = self._bottleneck(torch.matmul(hidden, self.latent_weight))
        common = F.relu(torch.matmul(inputs, self.global_weight) + self.global_bias)
        common = self._bottleneck(torch.matmul(common, self.global_latent_weight))
        latents = torch.cat([latents, common.expand(-1, latents.shape[1], -1, -1)], dim=3)
        decoded = F.relu(torch.matmul(latents, self.decoder_weight) + self.decoder_bias)
        predicted = torch.matmul(decoded, self.output_weight) + self.output_bias  # [R, G, B, D]
        weight = weight / weight.sum(dim=0).clamp_min(1.0)
        return owners.total(((predicted - features).square() * weight).sum(dim=2))

    def _bottleneck(self, latents: Tensor) -> Tensor:
        """Standardise over the batch, and add noise in training: [R, G, B, Z] -> the same shape."""
        centred = latents - latents.mean(dim=2, keepdim=True)
        standard = centred * torch.rsqrt(centred.square().mean(dim=2, keepdim=True) + EPSILON)
        return standard + LATENT_NOISE * torch.randn_like(standard) if self.training else standard


def restart_gate(assignment: Tensor) -> Tensor:
    """Scale each category's column to the same energy in every restart, float32 [R, D, G] -> the same.

    As `routing.gate`, for R assignments at once.
    """
    _, num_features, num_categories = assignment.shape
    energy = assignment.square().sum(dim=1, keepdim=True).clamp_min(EPSILON**2)
    return assignment * (num_features / num_categories / energy).sqrt()


def _normal(*shape: int, scale: float) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape) * scale)
