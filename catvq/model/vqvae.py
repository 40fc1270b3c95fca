"""A VQ-VAE with tokens for each category of features: encoder, codebooks, shared and partial decoders.

Encoder and decoder are each the sum of a linear and a non-linear path. `classical_start` initialises the
linear paths by classical quantisation, and the non-linear ones at zero.

Shapes: B rows, D features, G categories, L levels, S = G * L streams, H embedding_dim, M hidden_dim,
K codebook_size, E latent_dim, P partial hidden width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from catvq.errors import ConfigError
from catvq.model.batch_part import BatchPart, dropout
from catvq.model.codes.codebook import CodebookBank
from catvq.model.codes.quantizer import Quantization, quantize
from catvq.model.routing import Routing
from catvq.recipe import PARTIAL_HIDDEN_DIM


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Sizes of the model, with every "auto" resolved.

    Attributes:
        num_features: D.
        num_categories: G.
        levels: L.
        codebook_sizes: Length S, ordered category 0 level 0, category 0 level 1, ...
        latent_dims: Length S.
        embedding_dim: H, of the encoder's non-linear path.
        hidden_dim: M; the decoder's non-linear path is twice as wide.
        dropout: Dropout probability of hidden units.
        codebook_update: "ema" or "gradient".
        decay: Decay of the moving-average codebook.
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
    """Result of a forward pass.

    Attributes:
        quantization: Latents, codes and quantised latents of every stream.
        reconstructed: float32 [B, D].
    """

    quantization: Quantization
    reconstructed: Tensor


class CategoryEncoder(nn.Module):
    """Encodes features to one latent per category: a linear path, plus a non-linear one with an embedding.

    The first layer of the non-linear path has one row of weights per feature, shared by all categories; each
    category applies its gate to the features. So a category has trained weights for features that join it
    later, and a hard grouping leaves no weights unused. The linear path has separate weights for each
    category, since a feature's best weights depend on the other features.

    Args:
        shape: Sizes of the model.
        latent_mask: float32 [G, E]; latents are zero elsewhere.
    """

    latent_mask: Tensor

    def __init__(self, shape: ModelShape, latent_mask: Tensor) -> None:
        super().__init__()
        latent_dim = latent_mask.shape[1]
        self.register_buffer("latent_mask", latent_mask)
        members = shape.num_features / shape.num_categories
        self.dropout = shape.dropout
        self.feature_weight = nn.Parameter(
            torch.randn(shape.num_features, shape.embedding_dim) * members**-0.5
        )
        self.bias = nn.Parameter(torch.zeros(shape.num_categories, shape.embedding_dim))
        self.head_weight = _uniform(shape.num_categories, shape.embedding_dim, latent_dim)
        self.head_bias = nn.Parameter(torch.zeros(shape.num_categories, latent_dim))
        linear = torch.randn(shape.num_categories, shape.num_features, latent_dim) * members**-0.5
        self.linear_weight = nn.Parameter(linear)

    def forward(self, features: Tensor, routing: Routing, part: BatchPart | None = None) -> Tensor:
        """Compute the latents of all categories: float32 [B, D] -> [G, B, E]; `part` as in the model."""
        latents = routing.project_own(features, self.linear_weight) + self.head_bias.unsqueeze(1)
        latents = torch.baddbmm(latents, self.embed(features, routing, part), self.head_weight)
        return latents * self.latent_mask.unsqueeze(1)

    def embed(self, features: Tensor, routing: Routing, part: BatchPart | None = None) -> Tensor:
        """Compute the embeddings of all categories: float32 [B, D] -> [G, B, H]."""
        embedding = F.relu(routing.project(features, self.feature_weight) + self.bias.unsqueeze(1))
        return dropout(embedding, self.dropout if self.training else 0.0, part)


class SharedDecoder(nn.Module):
    """Decodes the quantised latents of all categories to all features: a linear plus a non-linear path.

    Args:
        latent_mask: float32 [G, E]; only valid entries are read.
        num_features: D.
        hidden_dim: M.
        dropout: Dropout probability of hidden units.
    """

    valid: Tensor

    def __init__(self, latent_mask: Tensor, *, num_features: int, hidden_dim: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("valid", latent_mask.flatten().nonzero().squeeze(1))
        self.linear = nn.Linear(len(self.valid), num_features)
        self.hidden = nn.Linear(len(self.valid), hidden_dim)
        self.output = nn.Linear(hidden_dim, num_features)
        self.dropout = dropout

    def forward(self, quantized: Tensor, part: BatchPart | None = None) -> Tensor:
        """Reconstruct features: float32 [G, B, E] -> [B, D]; `part` as in the model."""
        flat = self.read(quantized)
        hidden = dropout(F.gelu(self.hidden(flat)), self.dropout if self.training else 0.0, part)
        reconstructed: Tensor = self.linear(flat) + self.output(hidden)
        return reconstructed

    def read(self, quantized: Tensor) -> Tensor:
        """Concatenate the valid entries of all latents: float32 [G, B, E] -> [B, valid]."""
        return quantized.transpose(0, 1).flatten(1)[:, self.valid]


class CategoricalVQVAE(nn.Module):
    """A VQ-VAE with L tokens for each of G categories of features.

    The assignment is not part of the model: the routing is passed to every call. All categories, levels and
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
        self.codebooks = codebooks
        by_category = codebooks.latent_mask.view(shape.num_categories, shape.levels, -1)
        latent_mask = by_category.amax(dim=1)
        self.encoder = CategoryEncoder(shape, latent_mask)
        self.decoder = SharedDecoder(
            latent_mask,
            num_features=shape.num_features,
            hidden_dim=2 * shape.hidden_dim,
            dropout=shape.dropout,
        )
        streams, latent_dim = codebooks.latent_mask.shape
        self.partial_hidden = _uniform(streams, latent_dim, PARTIAL_HIDDEN_DIM)
        self.partial_hidden_bias = nn.Parameter(torch.zeros(streams, PARTIAL_HIDDEN_DIM))
        self.partial_output = _uniform(streams, PARTIAL_HIDDEN_DIM, shape.num_features)
        self.partial_output_bias = nn.Parameter(torch.zeros(streams, shape.num_features))

    def forward(self, features: Tensor, routing: Routing, part: BatchPart | None = None) -> Output:
        """Encode, quantise and decode a batch, float32 [B, D], or the given part of one."""
        quantization = quantize(self.codebooks, self.encoder(features, routing, part))
        return Output(quantization, self.decoder(quantization.quantized, part))

    def own_errors(
        self, features: Tensor, quantization: Quantization, routing: Routing, cells: Tensor | None = None
    ) -> Tensor:
        """Errors of the partial decoders: each category's own features from its levels up to each.

        Args:
            features: float32 [B, D].
            quantization: Result of quantising these features.
            routing: The routing with which they were quantised.
            cells: float32 [B, D], how much each cell counts; all alike when not given.

        Returns:
            float32 [G, L], see `Routing.own_feature_errors`.
        """
        partial = torch.baddbmm(
            self.partial_hidden_bias.unsqueeze(1), quantization.prefixes, self.partial_hidden
        )
        return routing.own_feature_errors(
            features, F.gelu(partial), self.partial_output, self.partial_output_bias, cells
        )

    def latents(self, features: Tensor, routing: Routing) -> Tensor:
        """Latents of every category before quantisation, float32 [G, B, E]."""
        latents: Tensor = self.encoder(features, routing)
        return latents

    def encode(self, features: Tensor, routing: Routing) -> Tensor:
        """Encode rows to codes, ordered by category and level: float32 [B, D] -> int64 [B, S]."""
        return self.codebooks.nearest(self.latents(features, routing)).T

    def decode(self, codes: Tensor) -> Tensor:
        """Decode codes to features: int64 [B, S] -> float32 [B, D]."""
        rows = self.codebooks.lookup(codes.T)
        reconstructed: Tensor = self.decoder(rows.view(self.shape.num_categories, -1, *rows.shape[1:]).sum(1))
        return reconstructed


def _uniform(batch: int, fan_in: int, fan_out: int) -> nn.Parameter:
    """Weights of one linear layer per batch entry, initialised like torch's linear layers."""
    bound = fan_in**-0.5
    return nn.Parameter(torch.empty(batch, fan_in, fan_out).uniform_(-bound, bound))
