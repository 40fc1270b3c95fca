"""Weights of the frozen model for a hard grouping, and its encoding and decoding in torch.

Shapes: N rows, D uploaded features, D' active features, G categories, L levels, S = G * L streams,
W widest category, H embedding_dim, M hidden_dim, K codebook_size, E latent_dim.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from catvq.errors import ConfigError
from catvq.model.codes.residual_search import search_codes
from catvq.model.routing import HardRouting
from catvq.model.vqvae import CategoricalVQVAE

ENCODED_ROWS = 4096  # at once: bounds the memory of all distances


@dataclass(frozen=True)
class FrozenWeights:
    """Weights of the frozen model on the CPU; gates and masks are folded in.

    Attributes:
        index: int64 [G, W], active feature of each slot (0 where padded, with zero weight).
        feature_weight: float32 [G, W, H].
        embedding_bias: float32 [G, 1, H].
        head_weight: float32 [G, H, E], zero where padded.
        linear_weight: float32 [G, W, E], zero where padded.
        latent_bias: float32 [G, 1, E], zero where padded.
        codes: float32 [S, K, E].
        code_squares: float32 [S, K], squared norm of each code; inf for codes that must not be chosen.
        valid: int64, entries of the flattened [G, E] latents that the decoder reads.
        decoder_linear_weight: float32 [valid, D'].
        decoder_hidden_weight: float32 [valid, 2M].
        decoder_hidden_bias: float32 [2M].
        decoder_weight: float32 [2M, D'].
        decoder_bias: float32 [D'], sum for both paths.
    """

    index: Tensor
    feature_weight: Tensor
    embedding_bias: Tensor
    head_weight: Tensor
    linear_weight: Tensor
    latent_bias: Tensor
    codes: Tensor
    code_squares: Tensor
    valid: Tensor
    decoder_linear_weight: Tensor
    decoder_hidden_weight: Tensor
    decoder_hidden_bias: Tensor
    decoder_weight: Tensor
    decoder_bias: Tensor

    @classmethod
    @torch.no_grad()
    def pack(cls, model: CategoricalVQVAE, routing: HardRouting) -> "FrozenWeights":
        """Gather the weights that a hard grouping uses from a model."""
        encoder, books, decoder = model.encoder, model.codebooks, model.decoder
        gate, mask = routing.gate().unsqueeze(-1), encoder.latent_mask.unsqueeze(1)
        packed = cls(
            index=routing.index,
            feature_weight=gate * encoder.feature_weight[routing.index],
            embedding_bias=encoder.bias.unsqueeze(1),
            head_weight=encoder.head_weight * mask,
            linear_weight=gate * routing.pack(encoder.linear_weight) * mask,
            latent_bias=encoder.head_bias.unsqueeze(1) * mask,
            codes=books.codes,
            code_squares=books.squares(),
            valid=decoder.valid,
            decoder_linear_weight=decoder.linear.weight.T,
            decoder_hidden_weight=decoder.hidden.weight.T,
            decoder_hidden_bias=decoder.hidden.bias,
            decoder_weight=decoder.output.weight.T,
            decoder_bias=decoder.linear.bias + decoder.output.bias,
        )
        return cls(
            **{name: value.detach().cpu().contiguous().clone() for name, value in vars(packed).items()}
        )

    @torch.no_grad()
    def unpack_into(self, model: CategoricalVQVAE, routing: HardRouting) -> None:
        """Give a model of the same sizes these weights: the inverse of `pack`, zero for other groupings.

        Raises:
            ConfigError: The model has other sizes.
        """
        for name, value in vars(FrozenWeights.pack(model, routing)).items():
            if value.shape != getattr(self, name).shape:
                raise ConfigError("the model to start from has other sizes")
        encoder, books, decoder = model.encoder, model.codebooks, model.decoder
        gate, is_real = routing.gate().unsqueeze(-1), routing.mask > 0
        category, own = is_real.nonzero()[:, 0], routing.index[is_real]
        encoder.feature_weight[own] = self.feature_weight[is_real] / gate[is_real]
        encoder.linear_weight.zero_()
        encoder.linear_weight[category, own] = self.linear_weight[is_real] / gate[is_real]
        encoder.bias.copy_(self.embedding_bias.squeeze(1))
        encoder.head_weight.copy_(self.head_weight)
        encoder.head_bias.copy_(self.latent_bias.squeeze(1))
        books.take(self.codes, self.code_squares.isfinite())
        decoder.linear.weight.copy_(self.decoder_linear_weight.T)
        decoder.hidden.weight.copy_(self.decoder_hidden_weight.T)
        decoder.hidden.bias.copy_(self.decoder_hidden_bias)
        decoder.output.weight.copy_(self.decoder_weight.T)
        decoder.output.bias.zero_()
        decoder.linear.bias.copy_(self.decoder_bias)

    @property
    def levels(self) -> int:
        """Number of levels, L."""
        return len(self.codes) // len(self.index)

    def latents(self, features: Tensor) -> Tensor:
        """Compute latents of all categories: normalised features float32 [N, D'] -> [G, N, E]."""
        own = features[:, self.index].transpose(0, 1)  # [G, N, W]
        embedding = F.relu(torch.bmm(own, self.feature_weight) + self.embedding_bias)
        latents = torch.bmm(own, self.linear_weight) + self.latent_bias
        return torch.baddbmm(latents, embedding, self.head_weight)

    def search(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes int64 [S, N] of latents, and their margins float32 [G, N], see `residual_search`."""
        return search_codes(self.codes, self.code_squares, latents)

    def encode(self, features: Tensor) -> Tensor:
        """Encode normalised features; codes by category and level: float32 [N, D'] -> int64 [N, S]."""
        return torch.cat(
            [self.search(self.latents(part))[0].T for part in torch.split(features, ENCODED_ROWS)]
        )

    def quantized(self, codes: Tensor) -> Tensor:
        """Sum each category's codebook rows: int64 [N, S] -> float32 [N, G, E]; a code of -1 adds nothing."""
        rows = self.codes[torch.arange(len(self.codes)), codes] * (codes >= 0).unsqueeze(2)
        return rows.view(len(rows), len(self.index), self.levels, rows.shape[2]).sum(dim=2)

    def coarse(self, codes: Tensor, levels: int) -> Tensor:
        """The codes of the coarser levels, int64 [N, S], -1 in place of the finer ones."""
        level = torch.arange(len(self.codes)) % self.levels
        return torch.where(level < levels, codes, -1)

    def decode(self, codes: Tensor) -> Tensor:
        """Decode codes to normalised features, see `quantized`: int64 [N, S] -> float32 [N, D']."""
        flat = self.quantized(codes).flatten(1)[:, self.valid]
        hidden = F.gelu(flat @ self.decoder_hidden_weight + self.decoder_hidden_bias)
        return flat @ self.decoder_linear_weight + hidden @ self.decoder_weight + self.decoder_bias
