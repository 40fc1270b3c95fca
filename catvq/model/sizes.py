"""Resolves automatic settings: split of the rows, sizes of the model, batch size, epochs.

Letters: D' active features, G categories.
"""

import math

import numpy as np
from numpy.typing import NDArray

from catvq.config import RunConfig
from catvq.features.table import RowSplit, split_rows
from catvq.model.vqvae import ModelShape

MIN_LATENT_DIM, MAX_LATENT_DIM = 2, 32  # wider latents do not lower the error at these codebook sizes
MIN_CODEBOOK_SIZE, MAX_CODEBOOK_SIZE = 16, 256
CODES_PER_FEATURE = 16  # at ratio 1, before rounding to a power of two
ROWS_PER_CODE = 8  # fewer rows than this cannot place a code
MIN_BATCH_SIZE, MAX_BATCH_SIZE, BATCHES_PER_EPOCH = 32, 1024, 16
STEPS, MIN_EPOCHS, MAX_EPOCHS = 600, 10, 100


def resolve_split(config: RunConfig, rows: int) -> RowSplit:
    """Split `rows` rows into training, validation and test rows."""
    training = config.training
    return split_rows(
        rows,
        validation_fraction=training.validation_fraction,
        test_fraction=training.test_fraction,
        seed=training.seed,
    )


def resolve_shape(
    config: RunConfig, *, grouping: NDArray[np.int64], num_categories: int, rows: int
) -> ModelShape:
    """Resolve all sizes of the model; larger categories get wider latents and larger codebooks."""
    model = config.model
    sizes = np.bincount(grouping, minlength=num_categories).clip(min=1)
    per_feature = [(int(size), ratio) for size in sizes for ratio in model.ratios()]
    codes = [
        model.codebook_size if model.codebook_size != "auto" else _auto_codebook_size(size * ratio, rows)
        for size, ratio in per_feature
    ]
    widths = [
        model.latent_dim
        if model.latent_dim != "auto"
        else int(np.clip(round(size * ratio), MIN_LATENT_DIM, MAX_LATENT_DIM))
        for size, ratio in per_feature
    ]
    return ModelShape(
        num_features=len(grouping),
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


def resolve_batch_size(config: RunConfig, rows: int) -> int:
    """Return the batch size: as given, or a power of two near a sixteenth of the rows; at most `rows`."""
    wanted = config.training.batch_size
    if wanted == "auto":
        wanted = int(np.clip(_power_of_two(rows / BATCHES_PER_EPOCH), MIN_BATCH_SIZE, MAX_BATCH_SIZE))
    return min(wanted, rows)


def resolve_epochs(config: RunConfig, rows: int) -> int:
    """Return the number of epochs: as given, or about STEPS steps, within bounds."""
    if config.training.epochs != "auto":
        return config.training.epochs
    steps_per_epoch = rows // resolve_batch_size(config, rows)
    return int(np.clip(round(STEPS / steps_per_epoch), MIN_EPOCHS, MAX_EPOCHS))


def _auto_codebook_size(features: float, rows: int) -> int:
    most = min(MAX_CODEBOOK_SIZE, _power_of_two(rows / ROWS_PER_CODE))
    return max(MIN_CODEBOOK_SIZE, min(most, _power_of_two(CODES_PER_FEATURE * features)))


def _power_of_two(number: float) -> int:
    return 1 << round(math.log2(max(number, 1.0)))
