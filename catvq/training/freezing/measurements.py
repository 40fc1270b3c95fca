"""What a frozen model is measured by: errors, use of its codes, what its codes keep of distances.

Shapes: N rows, D' active features, C' their columns, L levels, S streams, K codebook_size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from catvq.features.split import RowSplit
from catvq.frozen.verify import CHUNK_ROWS
from catvq.frozen.weights import FrozenWeights
from catvq.model.losses import squared_error, topographic_similarity
from catvq.model.metrics import stream_perplexity, stream_usage
from catvq.model.vqvae import CategoricalVQVAE
from catvq.training.freezing.inputs import FreezeInputs

TOPOGRAPHIC_ROWS = 512
LEVEL_ROWS = 10_000  # most rows that are decoded from fewer levels
TOKEN_ROWS = 100_000  # most training rows whose codes are compared


@dataclass(frozen=True)
class PartErrors:
    """Mean squared error of a normalised feature in each part of the rows; None without such rows."""

    train: float | None
    validation: float | None
    test: float | None


@dataclass(frozen=True)
class LevelError:
    """Bits and error of the codes of the first `levels` levels."""

    levels: int
    bits_per_row: float
    reconstruction_error: float


@dataclass(frozen=True, kw_only=True)
class Topography:
    """Similarity of the distances between rows and between what stands for them."""

    latents: float
    quantized: float


@dataclass(frozen=True, kw_only=True)
class CodeUsage:
    """How much of the codebooks is used.

    Attributes:
        perplexity: Mean over streams.
        usage: Mean share of the codes that are used.
        used_bits_per_row: Of codes that were all used as evenly as `perplexity` says.
    """

    perplexity: float
    usage: float
    bits_per_row: float
    used_bits_per_row: float


@dataclass(frozen=True, kw_only=True)
class TokenShares:
    """How well rows of codes tell rows apart, as shares of the rows.

    Attributes:
        distinct: Rows of codes that differ.
        commonest: Rows that have the commonest row of codes.
        shared: Rows whose codes another row has, too.
    """

    distinct: float
    commonest: float
    shared: float


def count_usage(codes: Tensor, rows: Tensor, weights: FrozenWeights) -> Tensor:
    """How often some rows use each code: int64 [N, S] -> float32 [S, K]."""
    streams, codebook_size, _ = weights.codes.shape
    first, counts = torch.arange(streams) * codebook_size, torch.zeros(streams * codebook_size)
    for part in torch.split(rows, CHUNK_ROWS):
        counts += torch.bincount((codes[part] + first).flatten(), minlength=len(counts))
    return counts.view(streams, codebook_size)


def measure_errors(
    inputs: FreezeInputs, features: Tensor, codes: Tensor, weights: FrozenWeights
) -> PartErrors:
    """Mean squared error of normalised features after the way through the codes, per part of the rows."""
    split, rebuild = inputs.data.split, partial(_rebuild, weights, codes, weights.levels)
    parts = (torch.from_numpy(part) for part in (split.train, split.validation, split.test))
    return PartErrors(*(_error(inputs, features, rows, rebuild) if len(rows) else None for rows in parts))


def _error(
    inputs: FreezeInputs, features: Tensor, rows: Tensor, rebuild: Callable[[Tensor], Tensor]
) -> float:
    """Mean squared error of a feature over the cells of some rows that are there, int64 [N] -> number."""
    total, data = 0.0, inputs.data
    measure = data.mean_count(rows.to(data.device))
    for part in torch.split(rows, CHUNK_ROWS):
        cells = data.cells(part.to(data.device), measure)
        error = squared_error(rebuild(part), features[part], None if cells is None else cells.cpu())
        total += float(error.mean(dim=0).mean()) * len(part)
    return inputs.owners.per_feature * total / len(rows)


def measure_levels(
    inputs: FreezeInputs, features: Tensor, codes: Tensor, weights: FrozenWeights
) -> list[LevelError]:
    """Bits and error of codes of the first level, the first two, ..., on test rows where there are any."""
    split, sizes = inputs.data.split, torch.tensor(inputs.model.shape.codebook_sizes).log2()
    rows = torch.from_numpy((split.test if len(split.test) else split.train)[:LEVEL_ROWS])
    found = []
    for levels in range(1, weights.levels + 1):
        error = _error(inputs, features, rows, partial(_rebuild, weights, codes, levels))
        bits = float(sizes.view(-1, weights.levels)[:, :levels].sum())
        found.append(LevelError(levels, bits, error))
    return found


def _rebuild(weights: FrozenWeights, codes: Tensor, levels: int, rows: Tensor) -> Tensor:
    """Features of some rows, decoded from their codes of the first levels."""
    return weights.decode(weights.coarse(codes[rows], levels))


def measure_topography(
    split: RowSplit, features: Tensor, codes: Tensor, weights: FrozenWeights
) -> Topography:
    """Similarity of distances before and after quantisation, on test rows where there are any."""
    rows = torch.from_numpy((split.test if len(split.test) > 2 else split.train)[:TOPOGRAPHIC_ROWS])
    latents = weights.latents(features[rows]).transpose(0, 1).flatten(1)
    quantized = weights.quantized(codes[rows]).flatten(1)
    return Topography(
        latents=float(topographic_similarity(features[rows], latents)),
        quantized=float(topographic_similarity(features[rows], quantized)),
    )


def measure_usage(usage: Tensor, model: CategoricalVQVAE) -> CodeUsage:
    """How much of the codebooks the training rows use, float32 [S, K]."""
    perplexity = stream_perplexity(usage)
    return CodeUsage(
        perplexity=float(perplexity.mean()),
        usage=float(stream_usage(usage, model.codebooks.code_mask).mean()),
        bits_per_row=float(torch.tensor(model.shape.codebook_sizes).log2().sum()),
        used_bits_per_row=float(perplexity.log2().sum()),
    )


def measure_tokens(codes: Tensor) -> TokenShares:
    """How well rows of codes tell rows apart: int64 [N, S] -> shares of the N rows."""
    rows = codes.numpy()
    counts = np.unique(rows, axis=0, return_counts=True)[1]
    return TokenShares(
        distinct=len(counts) / len(rows),
        commonest=int(counts.max()) / len(rows),
        shared=int(counts[counts > 1].sum()) / len(rows),
    )
