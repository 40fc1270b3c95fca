"""Terms of the training objective, each with its equation and its stop-gradients.

sg() is the stop-gradient. Features have unit variance over the training rows, so a mean squared error is
already normalised: 1 is the error of predicting the mean.

Shapes: B rows, D features, G categories, S streams, K codebook_size, E latent_dim, F families.
"""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

EPSILON = 1e-8


@dataclass(frozen=True)
class LossTerms:
    """One value per term, unweighted; `total` is the weighted sum that is minimised. Scalars."""

    total: Tensor
    reconstruction: Tensor
    codebook: Tensor
    commitment: Tensor
    codebook_orthogonality: Tensor
    informativeness: Tensor
    topographic_latents: Tensor
    topographic_quantized: Tensor
    assignment_orthogonality: Tensor
    assignment_balance: Tensor
    assignment_family: Tensor

    def stacked(self) -> Tensor:
        """All terms in field order, detached; they can be accumulated on the device."""
        return torch.stack([getattr(self, f.name).detach() for f in dataclasses.fields(self)])


LOSS_NAMES = tuple(f.name for f in dataclasses.fields(LossTerms))


def reconstruction_loss(reconstructed: Tensor, features: Tensor, cells: Tensor | None = None) -> Tensor:
    """mean_bd c (xhat - x)^2; no stop-gradient, x is data.

    Args:
        reconstructed: float32 [B, D].
        features: float32 [B, D], unit variance per feature.
        cells: float32 [B, D], how much each cell counts, 0 where missing; 1 for all when not given.
    """
    return squared_error(reconstructed, features, cells).mean()


def squared_error(reconstructed: Tensor, features: Tensor, cells: Tensor | None) -> Tensor:
    """Squared error of each cell, times how much it counts; see `reconstruction_loss`."""
    error = (reconstructed - features).square()
    return error if cells is None else error * cells


def codebook_loss(latents: Tensor, sums: Tensor, latent_mask: Tensor) -> Tensor:
    """Mean (sg(z) - e)^2 over valid entries: moves the codebook only.

    It has no gradient if the codebook is a moving average, and is then only reported.

    Args:
        latents: float32 [G, B, E].
        sums: float32 [G, B, E], sums of the chosen codebook rows.
        latent_mask: float32 [G, E].
    """
    return _masked_mean_square(latents.detach() - sums, latent_mask)


def commitment_loss(latents: Tensor, sums: Tensor, latent_mask: Tensor) -> Tensor:
    """Mean (z - sg(e))^2 over valid entries: moves the encoder only. Arguments as in `codebook_loss`."""
    return _masked_mean_square(latents - sums.detach(), latent_mask)


def codebook_orthogonality_loss(codes: Tensor, used: Tensor) -> Tensor:
    """Mean over pairs k != k' of one codebook of cos(c_k, c_k')^2, over the used codes.

    With a moving-average codebook, pass this batch's centroids as codes, so that the gradient reaches the
    encoder; the codebook follows the latents.

    Args:
        codes: float32 [S, K, E].
        used: bool [S, K].
    """
    directions = codes * torch.rsqrt(codes.square().sum(dim=2, keepdim=True) + EPSILON)
    directions = directions * used.unsqueeze(2)
    # The squared cosines of all K x K pairs sum to the squared norm of an E x E matrix, which is smaller.
    gram = torch.bmm(directions.transpose(1, 2), directions)
    itself = directions.square().sum(dim=2).square().sum()
    count = used.sum(dim=1)
    return (gram.square().sum() - itself) / (count * (count - 1)).sum().clamp_min(1)


def topographic_loss(features: Tensor, representation: Tensor) -> Tensor:
    """1 - corr over pairs of rows of (|x_a - x_b|, |z_a - z_b|); no stop-gradient, x is data.

    Args:
        features: float32 [B, D].
        representation: float32 [B, N], latents or quantised latents.
    """
    return 1 - topographic_similarity(features, representation)


def topographic_similarity(features: Tensor, representation: Tensor) -> Tensor:
    """Pearson correlation of pairwise distances in two spaces, scalar in [-1, 1]; 0 if one is constant.

    Args:
        features: float32 [B, D], at least 3 rows.
        representation: float32 [B, N].
    """
    upper = torch.ones(len(features), len(features), dtype=torch.bool, device=features.device).triu(1)
    first = _distances(features)[upper]
    second = _distances(representation)[upper]
    first, second = first - first.mean(), second - second.mean()
    return (first * second).sum() * torch.rsqrt(first.square().sum() * second.square().sum() + EPSILON)


def assignment_orthogonality_loss(assignment: Tensor) -> Tensor:
    """Mean over pairs g != h of cos(A_g, A_h)^2 of the columns of A: 0 when categories share no feature.

    Args:
        assignment: float32 [D, G]; G of 1 gives 0.
    """
    columns = assignment * torch.rsqrt(assignment.square().sum(dim=0, keepdim=True) + EPSILON)
    cosines = (columns.T @ columns).square()
    num_categories = assignment.shape[1]
    off_diagonal = cosines.sum() - cosines.diagonal().sum()
    return off_diagonal / max(num_categories * (num_categories - 1), 1)


def assignment_balance_loss(assignment: Tensor) -> Tensor:
    """G * sum_g (m_g - 1/G)^2 with m_g = mean_j A[j, g]: 0 if balanced, G - 1 if one category has all.

    Args:
        assignment: float32 [D, G].
    """
    share = assignment.mean(dim=0)
    return assignment.shape[1] * (share - 1 / assignment.shape[1]).square().sum()


def assignment_family_loss(assignment: Tensor, family_one_hot: Tensor) -> Tensor:
    """1 - sum_g m_g * sum_f p(f|g)^2: probability that two features of one category differ in family.

    m_g is a category's share of all features and p(f|g) the family mix inside it.

    Args:
        assignment: float32 [D, G].
        family_one_hot: float32 [D, F].
    """
    mass = family_one_hot.T @ assignment  # [F, G]
    per_category = mass.sum(dim=0)
    return 1 - (mass.square().sum(dim=0) / (per_category + EPSILON)).sum() / len(assignment)


def _masked_mean_square(difference: Tensor, mask: Tensor) -> Tensor:
    total = (difference.square() * mask.unsqueeze(1)).sum()
    return total / (mask.sum() * difference.shape[1])


def _distances(points: Tensor) -> Tensor:
    """Distance of every pair of rows, float32 [B, N] -> [B, B]."""
    squares = points.square().sum(dim=1)
    squares = squares.unsqueeze(1) + squares.unsqueeze(0) - 2 * points @ points.T
    return squares.clamp_min(EPSILON).sqrt()  # the root's slope is infinite at 0
