"""Latents to codes and back: one projection, codebook and straight-through step per category and level.

Shapes: B rows, G categories, L levels, S = G * L streams, H embedding_dim, K codebook_size, E latent_dim.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from catvq.codebook import CodebookBank


@dataclass(frozen=True)
class Quantization:
    """What quantising one batch gives.

    Attributes:
        latents: float32 [S, B, E], before quantisation; zero where padded.
        codes: int64 [S, B].
        rows: float32 [S, B, E], the chosen codebook rows; moves the codebook where that is a parameter.
        quantized: float32 [S, B, E], equal to `rows`, with the gradient passed straight to `latents`.
    """

    latents: Tensor
    codes: Tensor
    rows: Tensor
    quantized: Tensor


class LevelQuantizer(nn.Module):
    """Projects every category's embedding to each level and quantises all of them at once.

    Args:
        num_categories: G.
        embedding_dim: H.
        codebooks: The S = G * L codebooks, ordered category 0 level 0, category 0 level 1, ...
    """

    def __init__(self, *, num_categories: int, embedding_dim: int, codebooks: CodebookBank) -> None:
        super().__init__()
        self.codebooks = codebooks
        streams, latent_dim = codebooks.latent_mask.shape
        self.levels = streams // num_categories
        bound = embedding_dim**-0.5
        self.weight = nn.Parameter(torch.empty(streams, embedding_dim, latent_dim).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(streams, latent_dim))

    def project(self, embeddings: Tensor) -> Tensor:
        """Latents of every stream: float32 [G, B, H] -> [S, B, E], zero where padded."""
        repeated = embeddings.repeat_interleave(self.levels, dim=0)
        latents = torch.baddbmm(self.bias.unsqueeze(1), repeated, self.weight)
        return latents * self.codebooks.latent_mask.unsqueeze(1)

    def forward(self, embeddings: Tensor) -> Quantization:
        """Quantise a batch of embeddings, float32 [G, B, H]."""
        latents = self.project(embeddings)
        codes = self.codebooks.nearest(latents.detach())
        rows = self.codebooks.lookup(codes)
        # This form, unlike latents + (rows - latents).detach(), leaves every entry equal to its codebook row.
        return Quantization(latents, codes, rows, rows.detach() + (latents - latents.detach()))
