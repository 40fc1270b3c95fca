"""The weighted sum of all loss terms, for one forward pass.

Shapes: B rows, D features, G categories, S streams, E latent_dim, F families.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from catvq.config import AssignmentWeights, RunConfig
from catvq.model import losses
from catvq.model.batch_part import BatchPart
from catvq.model.losses import LossTerms
from catvq.model.routing import Routing
from catvq.model.vqvae import CategoricalVQVAE


@dataclass(frozen=True)
class ObjectiveWeights:
    """How much each term counts; the reconstruction and the codebook loss count 1."""

    commitment: float
    codebook_orthogonality: float
    informativeness: float
    topographic: float
    topographic_samples: int
    assignment: AssignmentWeights

    @classmethod
    def from_config(cls, config: RunConfig) -> "ObjectiveWeights":
        """Read the weights off a run's configuration."""
        model = config.model
        return cls(
            commitment=model.commitment_weight,
            codebook_orthogonality=model.codebook_orthogonality_weight,
            informativeness=model.informativeness_weight,
            topographic=model.topographic_weight,
            topographic_samples=model.topographic_samples,
            assignment=config.assignment.own_weights(),
        )


@dataclass(frozen=True)
class CodeCentroids:
    """What one batch says about each code: sums float32 [S, K, E] and counts float32 [S, K]."""

    sums: Tensor
    counts: Tensor


def model_terms(
    features: Tensor,
    model: CategoricalVQVAE,
    routing: Routing,
    weights: ObjectiveWeights,
    *,
    columns_per_feature: float = 1.0,
    cells: Tensor | None = None,
    part: BatchPart | None = None,
) -> tuple[LossTerms, CodeCentroids]:
    """Every term that does not depend on the assignment alone; the assignment's own terms are zero.

    A term of weight 0 is not computed where that costs anything, and is zero.

    Args:
        features: float32 [B, D].
        model: Run forward on these features.
        routing: How they reach their categories.
        weights: How much each term counts.
        columns_per_feature: Turns a mean over columns into one over features.
        cells: float32 [B, D], how much each cell counts in errors, 0 where missing; all alike when not given.
        part: Which rows of a batch these are; the centroids are the batch's. All of them when not given.
    """
    part = part or BatchPart.of_rank(0, 1, len(features))
    output, codebooks = model(features, routing, part), model.codebooks
    quantization, mask = output.quantization, model.encoder.latent_mask
    targets = codebooks.targets(quantization.latents, quantization.rows)
    centroids = CodeCentroids(*map(part.total, codebooks.batch_centroids(targets, quantization.codes)))
    reconstruction = losses.reconstruction_loss(output.reconstructed, features, cells) * columns_per_feature
    codebook = losses.codebook_loss(quantization.latents, quantization.sums, mask)
    commitment = losses.commitment_loss(quantization.latents, quantization.sums, mask)
    zero = torch.zeros_like(reconstruction)
    orthogonality = own = before = after = zero
    if weights.codebook_orthogonality:
        used = centroids.counts > 0
        means = centroids.sums / centroids.counts.clamp_min(1.0).unsqueeze(2)
        codes = codebooks.codes if codebooks.update_rule == "gradient" else means
        orthogonality = losses.codebook_orthogonality_loss(codes, used)
    if weights.informativeness:
        own_errors = model.own_errors(features, quantization, routing, cells)
        own = own_errors.sum(dim=0).mean() * columns_per_feature
    if weights.topographic:
        some = min(weights.topographic_samples, part.of)
        compared = part.first_rows(features[:some], some)
        before, after = (
            losses.topographic_loss(
                compared, part.first_rows(model.decoder.read(representation[:, :some]), some)
            )
            for representation in (quantization.latents, quantization.quantized)
        )
    terms = LossTerms(
        total=reconstruction
        + codebook
        + weights.commitment * commitment
        + weights.codebook_orthogonality * orthogonality
        + weights.informativeness * own
        + weights.topographic * (before + after),
        reconstruction=reconstruction,
        codebook=codebook,
        commitment=commitment,
        codebook_orthogonality=orthogonality,
        informativeness=own,
        topographic_latents=before,
        topographic_quantized=after,
        assignment_orthogonality=zero,
        assignment_balance=zero,
        assignment_family=zero,
    )
    return terms, centroids


def add_assignment_terms(
    terms: LossTerms, assignment: Tensor, family_one_hot: Tensor, weights: AssignmentWeights
) -> LossTerms:
    """The same terms with the assignment's own, weighted, in the total.

    Args:
        terms: As `model_terms` gives.
        assignment: float32 [D, G], noise-free.
        family_one_hot: float32 [D, F].
        weights: How much each term counts.
    """
    orthogonality = losses.assignment_orthogonality_loss(assignment)
    balance = losses.assignment_balance_loss(assignment)
    family = losses.assignment_family_loss(assignment, family_one_hot)
    values = {name: getattr(terms, name) for name in losses.LOSS_NAMES}
    values["total"] = (
        terms.total
        + weights.orthogonality * orthogonality
        + weights.balance * balance
        + weights.family * family
    )
    values["assignment_orthogonality"] = orthogonality
    values["assignment_balance"] = balance
    values["assignment_family"] = family
    return LossTerms(**values)
