"""The frozen model: hard groups, only the weights they use, from raw rows to codes and back.

Shapes: N rows, D uploaded features, D' active features, G categories, L levels, S = G * L streams,
W widest category, M hidden_dim, H embedding_dim, K codebook_size, E latent_dim.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from catvq.model import CategoricalVQVAE
from catvq.routing import HardRouting


@dataclass(frozen=True)
class FrozenWeights:
    """Everything the frozen model computes with, on the CPU; gates and masks are folded in.

    Attributes:
        index: int64 [G, W], active feature of each slot (0 where padded, with zero weight).
        feature_weight: float32 [G, W, M].
        hidden_bias: float32 [G, 1, M].
        embedding_weight: float32 [G, M, H].
        embedding_bias: float32 [G, 1, H].
        latent_weight: float32 [G, L, H, E], zero where padded.
        latent_bias: float32 [G, L, 1, E], zero where padded.
        codes: float32 [S, K, E].
        code_squares: float32 [S, 1, K], squared norm of each code; inf where padded.
        valid: int64, entries of the flattened [S, E] latents that the decoder reads.
        decoder_hidden_weight: float32 [valid, 2M].
        decoder_hidden_bias: float32 [2M].
        decoder_weight: float32 [2M, D'].
        decoder_bias: float32 [D'].
    """

    index: Tensor
    feature_weight: Tensor
    hidden_bias: Tensor
    embedding_weight: Tensor
    embedding_bias: Tensor
    latent_weight: Tensor
    latent_bias: Tensor
    codes: Tensor
    code_squares: Tensor
    valid: Tensor
    decoder_hidden_weight: Tensor
    decoder_hidden_bias: Tensor
    decoder_weight: Tensor
    decoder_bias: Tensor

    @classmethod
    @torch.no_grad()
    def pack(cls, model: CategoricalVQVAE, routing: HardRouting) -> "FrozenWeights":
        """Gather from a model what a hard grouping uses."""
        encoder, quantizer, books, decoder = model.encoder, model.quantizer, model.codebooks, model.decoder
        num_categories = model.shape.num_categories
        weight = quantizer.weight * books.latent_mask.unsqueeze(1)
        bias = (quantizer.bias * books.latent_mask).unsqueeze(1)
        squares = books.codes.square().sum(dim=2).masked_fill(~books.code_mask, torch.inf)
        packed = cls(
            index=routing.index,
            feature_weight=routing.gate().unsqueeze(-1) * encoder.feature_weight[routing.index],
            hidden_bias=encoder.hidden_bias.unsqueeze(1),
            embedding_weight=encoder.weight,
            embedding_bias=encoder.bias.unsqueeze(1),
            latent_weight=weight.view(num_categories, -1, *weight.shape[1:]),
            latent_bias=bias.view(num_categories, -1, *bias.shape[1:]),
            codes=books.codes,
            code_squares=squares.unsqueeze(1),
            valid=decoder.valid,
            decoder_hidden_weight=decoder.hidden.weight.T,
            decoder_hidden_bias=decoder.hidden.bias,
            decoder_weight=decoder.output.weight.T,
            decoder_bias=decoder.output.bias,
        )
        return cls(
            **{name: value.detach().cpu().contiguous().clone() for name, value in vars(packed).items()}
        )

    def latents(self, features: Tensor) -> Tensor:
        """Latents of every stream: normalised features float32 [N, D'] -> [S, N, E]."""
        own = features[:, self.index].transpose(0, 1)  # [G, N, W]
        hidden = F.relu(torch.bmm(own, self.feature_weight) + self.hidden_bias)
        embedding = F.relu(torch.bmm(hidden, self.embedding_weight) + self.embedding_bias)
        latents = torch.matmul(embedding.unsqueeze(1), self.latent_weight) + self.latent_bias
        return latents.flatten(0, 1)

    def distances(self, latents: Tensor) -> Tensor:
        """Squared distance to every code, less the latent's own square: [S, N, E] -> [S, N, K]."""
        return self.code_squares - 2 * torch.bmm(latents, self.codes.transpose(1, 2))

    def encode(self, features: Tensor) -> Tensor:
        """Codes in the service's order: normalised features float32 [N, D'] -> int64 [N, S]."""
        return self.distances(self.latents(features)).argmin(dim=2).T

    def decode(self, codes: Tensor) -> Tensor:
        """Normalised features of codes: int64 [N, S] -> float32 [N, D']."""
        streams = torch.arange(len(self.codes))
        flat = self.codes[streams, codes].flatten(1)[:, self.valid]
        hidden = F.gelu(flat @ self.decoder_hidden_weight + self.decoder_hidden_bias)
        return hidden @ self.decoder_weight + self.decoder_bias
