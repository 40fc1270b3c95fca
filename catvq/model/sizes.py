"""Sizes of a model, once the number of features in each category is known.

Letters: D' active features, G categories.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catvq.config import RunConfig
from catvq.model.vqvae import ModelShape
from catvq.recipe import CHANNEL_FEATURES, choose_codebook_size, choose_latent_dim, shares_of_levels


@dataclass(frozen=True)
class StreamSizes:
    """Sizes of the codebooks and widths of the latents of all streams, in their order."""

    codebooks: tuple[int, ...]
    latents: tuple[int, ...]


def resolve_shape(
    config: RunConfig,
    *,
    grouping: NDArray[np.int64],
    num_categories: int,
    rows: int,
    num_columns: int | None = None,
    given: StreamSizes | None = None,
    is_channel: NDArray[np.bool_] | None = None,
) -> ModelShape:
    """Resolve all sizes of the model; larger categories get wider latents and larger codebooks.

    Without a number of columns, every feature is one; without `is_channel`, [D'], none is a channel.
    Codebooks and latents have the given sizes, if any are.
    """
    model = config.model
    counted = np.ones(len(grouping)) if is_channel is None else np.where(is_channel, CHANNEL_FEATURES, 1)
    sizes = np.bincount(grouping, counted, minlength=num_categories).clip(min=1)
    levels = list(
        zip(model.sizes_of_levels(), model.ratios(), shares_of_levels(model.num_levels), strict=True)
    )
    streams = [(int(size) * ratio, share, *of_level) for size in sizes for of_level, ratio, share in levels]
    codes = [
        round(share * choose_codebook_size(features, rows)) if size == "auto" else size
        for features, share, size, _ in streams
    ]
    widths = [choose_latent_dim(features) if width == "auto" else width for features, _, _, width in streams]
    return ModelShape(
        num_features=num_columns or len(grouping),
        num_categories=num_categories,
        levels=model.num_levels,
        codebook_sizes=tuple(codes) if given is None else given.codebooks,
        latent_dims=tuple(widths) if given is None else given.latents,
        embedding_dim=model.embedding_dim,
        hidden_dim=model.hidden_dim,
        dropout=model.dropout,
        codebook_update=model.codebook_update,
        decay=model.decay,
    )
