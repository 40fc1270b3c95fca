"""Residual quantisation of latents with a straight-through gradient.

Shapes: B rows, G categories, L levels, S = G * L streams, E latent_dim.
"""

from dataclasses import dataclass

from torch import Tensor

from catvq.model.codes.codebook import CodebookBank


@dataclass(frozen=True)
class Quantization:
    """Result of quantising one batch.

    Attributes:
        latents: float32 [G, B, E], before quantisation; zero where padded.
        codes: int64 [S, B].
        rows: float32 [S, B, E], the chosen codebook rows.
        prefixes: float32 [S, B, E], the sum of the rows up to each level; the gradient passes straight
            through to the latents, and to the rows if the codebook is a parameter.
    """

    latents: Tensor
    codes: Tensor
    rows: Tensor
    prefixes: Tensor

    @property
    def sums(self) -> Tensor:
        """Sum of the chosen rows of all levels, without the latents' gradient: float32 [G, B, E]."""
        return self.rows.view(len(self.latents), -1, *self.rows.shape[1:]).sum(dim=1)

    @property
    def quantized(self) -> Tensor:
        """Quantised latents for the decoder, the last prefix of each category: float32 [G, B, E]."""
        levels = len(self.codes) // len(self.latents)
        return self.prefixes[levels - 1 :: levels]


def quantize(codebooks: CodebookBank, latents: Tensor) -> Quantization:
    """Quantise latents, float32 [G, B, E]."""
    codes = codebooks.nearest(latents.detach())
    rows = codebooks.lookup(codes)
    sums = rows.view(len(latents), -1, *latents.shape[1:]).cumsum(dim=1)
    # Unlike latents + (sums - latents).detach(), this keeps every entry exactly equal to the sum of its rows.
    prefixes = sums + (latents - latents.detach()).unsqueeze(1)
    return Quantization(latents, codes, rows, prefixes.flatten(0, 1))
