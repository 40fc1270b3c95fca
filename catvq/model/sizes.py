"""Sizes of a model, once the number of features in each category is known.

Letters: D' active features, G categories.
"""

import numpy as np
from numpy.typing import NDArray

from catvq.config import RunConfig
from catvq.model.vqvae import ModelShape
from catvq.recipe import choose_codebook_size, choose_latent_dim


def resolve_shape(
    config: RunConfig,
    *,
    grouping: NDArray[np.int64],
    num_categories: int,
    rows: int,
    num_columns: int | None = None,
) -> ModelShape:
    """Resolve all sizes of the model; larger categories get wider latents and larger codebooks.

    Without a number of columns, every feature is one.
    """
    model = config.model
    sizes = np.bincount(grouping, minlength=num_categories).clip(min=1)
    per_feature = [(int(size), ratio) for size in sizes for ratio in model.ratios()]
    codes = [
        model.codebook_size if model.codebook_size != "auto" else choose_codebook_size(size * ratio, rows)
        for size, ratio in per_feature
    ]
    widths = [
        model.latent_dim if model.latent_dim != "auto" else choose_latent_dim(size * ratio)
        for size, ratio in per_feature
    ]
    return ModelShape(
        num_features=num_columns or len(grouping),
        num_categories=num_categories,
        levels=model.levels,
        codebook_sizes=tuple(codes),
        latent_dims=tuple(widths),
        embedding_dim=model.embedding_dim,
        hidden_dim=model.hidden_dim,
        dropout=model.dropout,
        codebook_update=model.codebook_update,
        decay=model.decay,
    )
