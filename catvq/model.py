"""The VQ-VAE whose tokens belong to categories of features: encoder, codebooks, shared and partial decoders.

Shapes: B rows, D features, G categories, L levels, S = G * L streams, H embedding_dim, M hidden_dim,
K codebook_size, E latent_dim, P partial hidden width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from catvq.codebook import CodebookBank
from catvq.errors import ConfigError
from catvq.quantizer import LevelQuantizer, Quantization
from catvq.routing import Routing

PARTIAL_HIDDEN_DIM = 32  # narrow: a partial decoder probes what one stream tells, it is not the decoder


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Every size of the model, all "auto" resolved.

    Attributes:
        num_features: D.
        num_categories: G.
        levels: L.
        codebook_sizes: Length S, ordered category 0 level 0, category 0 level 1, ...
        latent_dims: Length S.
        embedding_dim: H.
        hidden_dim: M.
        dropout: Probability, of hidden units while training.
        codebook_update: "ema" or "gradient".
        decay: Of the moving-average codebook.
    """

    num_features: int
    num_categories: int
    levels: int
    codebook_sizes: tuple[int, ...]
    latent_dims: tuple[int, ...]
    embedding_dim: int
    hidden_dim: int
    dropout: float
    codebook_update: str = "ema"
    decay: float = 0.99

    def __post_init__(self) -> None:
        streams = self.num_categories * self.levels
        if len(self.codebook_sizes) != streams or len(self.latent_dims) != streams:
            raise ConfigError(f"{streams} streams need as many codebook sizes and latent widths")


@dataclass(frozen=True)
class Output:
    """One forward pass.

    Attributes:
        quantization: Latents, codes and quantised latents of every stream.
        reconstructed: float32 [B, D].
        own_feature_error: Scalar, `own_errors` summed over categories and averaged over levels.
    """

    quantization: Quantization
    reconstructed: Tensor
    own_feature_error: Tensor


class CategoryEncoder(nn.Module):
    """Features to one embedding per category.

    The first layer has one row of weights per feature, shared by all categories, and each category sees the
    features through its gate: a category so has trained weights for features that were never its own, and
    a hard grouping leaves nothing unused.

    Args:
        shape: Sizes of the model.
    """

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        members = shape.num_features / shape.num_categories
        self.dropout = shape.dropout
        self.feature_weight = nn.Parameter(torch.randn(shape.num_features, shape.hidden_dim) * members**-0.5)
        self.hidden_bias = nn.Parameter(torch.zeros(shape.num_categories, shape.hidden_dim))
        self.weight = _uniform(shape.num_categories, shape.hidden_dim, shape.embedding_dim)
        self.bias = nn.Parameter(torch.zeros(shape.num_categories, shape.embedding_dim))

    def forward(self, features: Tensor, routing: Routing) -> Tensor:
        """Embed every category at once: float32 [B, D] -> [G, B, H]."""
        hidden = F.relu(routing.project(features, self.feature_weight) + self.hidden_bias.unsqueeze(1))
        hidden = F.dropout(hidden, self.dropout, self.training)
        return F.relu(torch.baddbmm(self.bias.unsqueeze(1), hidden, self.weight))


class SharedDecoder(nn.Module):
    """All tokens of a row to all its features.

    Args:
        latent_mask: float32 [S, E]; only valid entries are read.
        num_features: D.
        hidden_dim: M.
        dropout: Probability, of hidden units while training.
    """

    valid: Tensor

    def __init__(self, latent_mask: Tensor, *, num_features: int, hidden_dim: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("valid", latent_mask.flatten().nonzero().squeeze(1))
        self.hidden = nn.Linear(len(self.valid), hidden_dim)
        self.output = nn.Linear(hidden_dim, num_features)
        self.dropout = dropout

    def forward(self, quantized: Tensor) -> Tensor:
        """Reconstruct features: float32 [S, B, E] -> [B, D]."""
        flat = quantized.transpose(0, 1).flatten(1)[:, self.valid]
        hidden = F.dropout(F.gelu(self.hidden(flat)), self.dropout, self.training)
        reconstructed: Tensor = self.output(hidden)
        return reconstructed


class CategoricalVQVAE(nn.Module):
    """A VQ-VAE with L tokens for each of G categories of features.

    The assignment is not part of the model: every call is told the routing. All categories, levels and
    pairs are computed in batched operations.

    Args:
        shape: Sizes of the model.
    """

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        codebooks = CodebookBank(
            list(shape.codebook_sizes),
            list(shape.latent_dims),
            update=shape.codebook_update,
            decay=shape.decay,
        )
        self.encoder = CategoryEncoder(shape)
        self.quantizer = LevelQuantizer(
            num_categories=shape.num_categories, embedding_dim=shape.embedding_dim, codebooks=codebooks
        )
        self.decoder = SharedDecoder(
            codebooks.latent_mask,
            num_features=shape.num_features,
            hidden_dim=2 * shape.hidden_dim,
            dropout=shape.dropout,
        )
        streams, latent_dim = codebooks.latent_mask.shape
        self.partial_hidden = _uniform(streams, latent_dim, PARTIAL_HIDDEN_DIM)
        self.partial_hidden_bias = nn.Parameter(torch.zeros(streams, PARTIAL_HIDDEN_DIM))
        self.partial_output = _uniform(streams, PARTIAL_HIDDEN_DIM, shape.num_features)
        self.partial_output_bias = nn.Parameter(torch.zeros(streams, shape.num_features))

    @property
    def codebooks(self) -> CodebookBank:
        """The codebooks of all streams."""
        return self.quantizer.codebooks

    def forward(self, features: Tensor, routing: Routing) -> Output:
        """Encode, quantise and decode a batch, float32 [B, D]."""
        quantization, own_errors = self.own_errors(features, routing)
        reconstructed = self.decoder(quantization.quantized)
        return Output(quantization, reconstructed, own_errors.sum(dim=0).mean())

    def own_errors(self, features: Tensor, routing: Routing) -> tuple[Quantization, Tensor]:
        """Quantise a batch, float32 [B, D], and let each stream rebuild its own category's features.

        Returns:
            The quantisation, and errors float32 [G, L], see `Routing.own_feature_errors`.
        """
        quantization: Quantization = self.quantizer(self.encoder(features, routing))
        partial = torch.baddbmm(
            self.partial_hidden_bias.unsqueeze(1), quantization.quantized, self.partial_hidden
        )
        own_errors = routing.own_feature_errors(
            features, F.gelu(partial), self.partial_output, self.partial_output_bias
        )
        return quantization, own_errors

    def latents(self, features: Tensor, routing: Routing) -> Tensor:
        """Latents of every stream before quantisation, float32 [S, B, E]."""
        return self.quantizer.project(self.encoder(features, routing))

    def encode(self, features: Tensor, routing: Routing) -> Tensor:
        """Codes in the service's order: float32 [B, D] -> int64 [B, S]."""
        return self.codebooks.nearest(self.latents(features, routing)).T

    def decode(self, codes: Tensor) -> Tensor:
        """Features of the given codes: int64 [B, S] -> float32 [B, D]."""
        reconstructed: Tensor = self.decoder(self.codebooks.lookup(codes.T))
        return reconstructed


def _uniform(batch: int, fan_in: int, fan_out: int) -> nn.Parameter:
    """One linear layer per batch entry, started as torch starts a linear layer."""
    bound = fan_in**-0.5
    return nn.Parameter(torch.empty(batch, fan_in, fan_out).uniform_(-bound, bound))
