"""From a table and a configuration to everything a run starts with: clean features, categories, sizes.

Shapes: N rows, D uploaded features, D' active features (those left after cleaning), G categories.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catvq.assignment import block_diagonal
from catvq.cleaning import FeatureCleaner
from catvq.config import RunConfig
from catvq.errors import ConfigError
from catvq.initialization import (
    cluster_features,
    cluster_per_family,
    grouping_from_names,
    logits_from_grouping,
    random_grouping,
    share_categories,
)
from catvq.model import ModelShape
from catvq.table import FeatureTable, RowSplit

MIN_LATENT_DIM, MAX_LATENT_DIM = 2, 32  # wider latents quantise no better at these codebook sizes
MIN_CODEBOOK_SIZE, MAX_CODEBOOK_SIZE = 16, 256
CODES_PER_FEATURE = 16  # at ratio 1, before rounding to a power of two
ROWS_PER_CODE = 8  # fewer rows than this cannot place a code
MIN_BATCH_SIZE, MAX_BATCH_SIZE, BATCHES_PER_EPOCH = 32, 1024, 16


@dataclass(frozen=True)
class Categories:
    """The categories of a run and where its features start.

    Attributes:
        names: Length G.
        grouping: int64 [D'], starting category of each active feature.
        allowed: bool [D', G], categories each active feature may take.
    """

    names: tuple[str, ...]
    grouping: NDArray[np.int64]
    allowed: Tensor

    def start_logits(self) -> Tensor:
        """Logits that favour the starting grouping without saturating, float32 [D', G]."""
        logits = logits_from_grouping(self.grouping, len(self.names), allowed=self.allowed.numpy())
        return torch.from_numpy(np.asarray(logits))


def fit_cleaner(table: FeatureTable, split: RowSplit, config: RunConfig) -> FeatureCleaner:
    """Fit the cleaner on the training rows; per family, duplicates are sought only within a family."""
    family = table.family_of_feature() if keeps_families(config) else None
    return FeatureCleaner.fit(table.values[split.train], config.cleaning, family)


def keeps_families(config: RunConfig) -> bool:
    """Whether no category may span two families."""
    return config.assignment.per_family or isinstance(config.model.categories, Mapping)


def start_categories(
    table: FeatureTable,
    active: NDArray[np.int64],
    normalized: NDArray[np.float32],
    config: RunConfig,
    groups: Mapping[str, tuple[str, ...]] | None,
) -> Categories:
    """Settle the number of categories, their names and the starting grouping.

    Args:
        table: The uploaded table.
        active: int64 [D'], uploaded index of each active feature.
        normalized: float32 [rows, D'], cleaned training rows.
        config: The run's configuration.
        groups: Category name to feature names, for init "user" and "model".

    Raises:
        ConfigError: The groups do not fit the features, families or number of categories.
    """
    family = table.family_of_feature()[active]
    seed = config.training.seed
    if config.assignment.init in {"user", "model"}:
        return _given_categories(table, active, family, config, groups)
    if keeps_families(config):
        counts = _family_counts(table, family, config)
        per_family = cluster_per_family(normalized, family, counts, seed=seed)
        counts = counts or {f: len(np.unique(per_family[family == f])) for f in np.unique(family).tolist()}
        if config.assignment.init == "random":
            per_family = random_grouping(len(active), sum(counts.values()), seed=seed, families=family, counts=counts)
        return _family_categories(table, family, counts, per_family)
    wanted = config.model.categories
    grouping = (
        None
        if isinstance(wanted, int) and config.assignment.init == "random"
        else cluster_features(normalized, wanted if isinstance(wanted, int) else None, seed=seed)
    )
    num_categories = wanted if isinstance(wanted, int) else len(np.unique(grouping))
    if grouping is None or config.assignment.init == "random":
        grouping = random_grouping(len(active), num_categories, seed=seed)
    return Categories(
        tuple(f"category_{i}" for i in range(num_categories)),
        grouping,
        torch.ones(len(active), num_categories, dtype=torch.bool),
    )


def resolve_shape(
    config: RunConfig, *, grouping: NDArray[np.int64], num_categories: int, rows: int
) -> ModelShape:
    """Fill in every automatic size: wider latents and larger codebooks for categories of more features."""
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
    """Rows per step: as given, or a power of two near a sixteenth of the training rows; never above `rows`."""
    wanted = config.training.batch_size
    if wanted == "auto":
        wanted = int(np.clip(_power_of_two(rows / BATCHES_PER_EPOCH), MIN_BATCH_SIZE, MAX_BATCH_SIZE))
    return min(wanted, rows)


def _auto_codebook_size(features: float, rows: int) -> int:
    most = min(MAX_CODEBOOK_SIZE, _power_of_two(rows / ROWS_PER_CODE))
    return max(MIN_CODEBOOK_SIZE, min(most, _power_of_two(CODES_PER_FEATURE * features)))


def _power_of_two(number: float) -> int:
    return 1 << max(0, round(np.log2(max(number, 1.0))))


def _given_categories(
    table: FeatureTable,
    active: NDArray[np.int64],
    family: NDArray[np.int64],
    config: RunConfig,
    groups: Mapping[str, tuple[str, ...]] | None,
) -> Categories:
    if not groups:
        raise ConfigError(f"init {config.assignment.init!r} needs groups")
    grouping = grouping_from_names(groups, table.features)[active]
    names = list(groups)
    wanted = config.model.categories
    if isinstance(wanted, Mapping):
        raise ConfigError(f"with init {config.assignment.init!r} categories must be a number or 'auto'")
    if isinstance(wanted, int):
        if wanted < len(names):
            raise ConfigError(f"categories is {wanted}, but {len(names)} groups were given")
        names += [f"category_{i}" for i in range(len(names), wanted)]
    allowed = torch.ones(len(active), len(names), dtype=torch.bool)
    if config.assignment.per_family:
        family_of_category = np.full(len(names), -1)
        for category in range(len(names)):
            members = np.unique(family[grouping == category])
            if len(members) > 1:
                raise ConfigError(f"per_family, but group {names[category]!r} spans several families")
            family_of_category[category] = members[0] if len(members) else -1
        allowed = block_diagonal(torch.from_numpy(family), torch.from_numpy(family_of_category))
    return Categories(tuple(names), grouping, allowed)


def _family_counts(
    table: FeatureTable, family: NDArray[np.int64], config: RunConfig
) -> dict[int, int] | None:
    """Categories of each family that has active features; None when they are to be found."""
    wanted = config.model.categories
    sizes = {int(f): int((family == f).sum()) for f in np.unique(family)}
    names = list(table.families)
    if isinstance(wanted, Mapping):
        unknown = sorted(set(wanted) - set(names))
        missing = [name for name in names if name not in wanted]
        if unknown or missing:
            raise ConfigError(f"categories per family: unknown {unknown}, missing {missing}")
        return {f: wanted[names[f]] for f in range(len(names))}
    if wanted == "auto":
        return None
    return share_categories(wanted, sizes)


def _family_categories(
    table: FeatureTable, family: NDArray[np.int64], counts: Mapping[int, int], grouping: NDArray[np.int64]
) -> Categories:
    names = list(table.families)
    family_of_category = np.repeat(list(counts), list(counts.values()))
    return Categories(
        tuple(f"{names[f]}_{i}" for f, count in counts.items() for i in range(count)),
        grouping,
        block_diagonal(torch.from_numpy(family), torch.from_numpy(family_of_category)),
    )
