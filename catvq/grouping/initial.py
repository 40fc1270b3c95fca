"""Prepares a run's initial state: the fitted cleaner, the categories and the initial grouping.

Shapes: N rows, D uploaded features, D' active features (those left after cleaning), G categories.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count, islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.config import RunConfig
from catvq.dependence.available import Presence, standardised
from catvq.dependence.dependence import group_by_dependence
from catvq.errors import ConfigError
from catvq.features.split import RowSplit
from catvq.features.table import FeatureTable
from catvq.grouping.blocks import Blocks
from catvq.grouping.categories import Categories
from catvq.grouping.correlation import cluster_features
from catvq.grouping.partitions import (
    group_per_family,
    grouping_from_names,
    random_grouping,
    share_categories,
)
from catvq.grouping.together import check_sets, leaders, set_of_feature, tie
from catvq.model.assignment import block_diagonal


def fit_cleaner(
    table: FeatureTable,
    split: RowSplit,
    config: RunConfig,
    groups: Mapping[str, Sequence[str]] | None,
) -> FeatureCleaner:
    """Fit the cleaner on the training rows that are whole.

    A duplicate gets the category of the feature that it repeats, so duplicates are searched only among
    features that may share a category: within a family if families are kept apart, within a group if the
    given groups are final, within a set that stays together and among the features in none.
    """
    sets = set_of_feature(table.features, config.assignment)
    blocks = Blocks.of(table, config)
    scope = None if blocks is None else blocks.of_feature
    if groups and config.assignment.mode == "static":
        scope = grouping_from_names(groups, table.features)
    if sets.any():
        scope = sets if scope is None else scope * (sets.max() + 1) + sets
    return FeatureCleaner.fit(
        table.numbers,
        config.cleaning,
        columns=table.columns,
        family_of_feature=scope,
        rows=split.train[split.train < len(table.values)],
        weights=table.weights,
        feature_weights=np.array(config.cleaning.weights_of(table.features)),
    )


def start_categories(
    table: FeatureTable,
    cleaner: FeatureCleaner,
    observed: NDArray[np.float32],
    config: RunConfig,
    groups: Mapping[str, Sequence[str]] | None,
) -> Categories:
    """Determine the number of categories, their names and the initial grouping; sets are kept together.

    Args:
        table: The uploaded table.
        cleaner: Fitted on the table's training rows.
        observed: float32 [rows, D'], cleaned training rows, NaN where missing.
        config: The run's configuration.
        groups: Category name to feature names, for init "user" and "model".

    Raises:
        ConfigError: The groups do not fit the features, families or number of categories.
    """
    surplus, blocks = config.assignment.surplus_categories, Blocks.of(table, config)
    if surplus and (config.assignment.init in {"user", "model"} or blocks is not None):
        raise ConfigError(
            "surplus_categories cannot be combined with given groups or with categories per family"
        )
    leader = leaders(set_of_feature(table.features, config.assignment), cleaner)
    if config.assignment.init in {"user", "model"}:
        categories = _given_categories(table, cleaner, config, groups)
    elif blocks is not None:
        categories = _block_categories(table, cleaner, observed, config, blocks)
    else:
        categories = _free_categories(table, cleaner, observed, config, leader)
    return replace(categories, leader=leader).tied(cleaner)


def _free_categories(
    table: FeatureTable,
    cleaner: FeatureCleaner,
    observed: NDArray[np.float32],
    config: RunConfig,
    leader: NDArray[np.int64] | None,
) -> Categories:
    surplus = config.assignment.surplus_categories
    wanted, found = config.model.categories, None
    if not isinstance(wanted, int):
        grouping, separation = _find_grouping(observed, None, config)
        if leader is not None:  # a category whose features all follow others is none
            tied = tie(grouping, cleaner.position[leader[cleaner.active]])
            grouping = np.unique(tied, return_inverse=True)[1].astype(np.int64)
        found, wanted = (grouping, separation), int(grouping.max()) + 1
    num_categories = wanted + surplus
    if config.assignment.init == "random":
        found = random_grouping(len(cleaner.active), num_categories, seed=config.training.seed), 0.0
    elif found is None or surplus:
        found = _find_grouping(observed, num_categories, config)
    grouping, separation = found
    return Categories(
        tuple(f"category_{i}" for i in range(num_categories)),
        grouping,
        torch.ones(len(grouping), num_categories, dtype=torch.bool),
        np.full((len(table.features), num_categories), 1 / num_categories, dtype=np.float32),
        separation,
    )


def _find_grouping(
    observed: NDArray[np.float32], number: int | None, config: RunConfig
) -> tuple[NDArray[np.int64], float]:
    """Group all features; return the grouping and its separation, 0 if it was not computed."""
    seed = config.training.seed
    if config.assignment.resolved_init() == "clustering":
        return cluster_features(_filled(observed), number, seed=seed), 0.0
    found = group_by_dependence(observed, number, seed=seed)
    return found.grouping, found.separation


def _filled(observed: NDArray[np.float32]) -> NDArray[np.float32]:
    return standardised(observed, Presence.of(observed))


def _given_categories(
    table: FeatureTable,
    cleaner: FeatureCleaner,
    config: RunConfig,
    groups: Mapping[str, Sequence[str]] | None,
) -> Categories:
    init, wanted = config.assignment.init, config.model.categories
    if not groups:
        raise ConfigError(f"init {init!r} needs groups")
    if isinstance(wanted, Mapping):
        raise ConfigError(f"with init {init!r} categories must be a number or 'auto'")
    names = list(groups)
    if isinstance(wanted, int) and wanted < len(names):
        raise ConfigError(f"categories is {wanted}, but {len(names)} groups were given")
    if isinstance(wanted, int):
        free = (name for i in count(len(names)) if (name := f"category_{i}") not in groups)
        names += islice(free, wanted - len(names))
    grouping = grouping_from_names(groups, table.features)
    check_sets(set_of_feature(table.features, config.assignment), grouping, "several groups")
    allowed = torch.ones(len(grouping), len(names), dtype=torch.bool)
    blocks = Blocks.of(table, config)
    if blocks is not None:
        allowed = _blocks_of_groups(blocks.of_feature, grouping, names)
    resting = np.eye(len(names), dtype=np.float32)[grouping]
    return Categories(tuple(names), grouping[cleaner.active], allowed[cleaner.active], resting)


def _blocks_of_groups(block: NDArray[np.int64], grouping: NDArray[np.int64], names: Sequence[str]) -> Tensor:
    """Return which given groups each feature may join if none may span two blocks, bool [D, G]."""
    block_of_category = np.full(len(names), -1)
    for category, name in enumerate(names):
        members = np.unique(block[grouping == category])
        if len(members) > 1:
            raise ConfigError(f"group {name!r} spans several families, which are kept apart")
        if len(members):
            block_of_category[category] = members[0]
    return block_diagonal(torch.from_numpy(block), torch.from_numpy(block_of_category))


def _block_categories(
    table: FeatureTable,
    cleaner: FeatureCleaner,
    observed: NDArray[np.float32],
    config: RunConfig,
    blocks: Blocks,
) -> Categories:
    family = blocks.of_feature
    check_sets(set_of_feature(table.features, config.assignment), family, "families that are kept apart")
    active_family = family[cleaner.active]
    counts = _block_counts(blocks, config)
    seed = config.training.seed

    def find(values: NDArray[np.float32], number: int | None) -> NDArray[np.int64]:
        if config.assignment.resolved_init() == "clustering":
            return cluster_features(_filled(values), number, seed=seed)
        return group_by_dependence(values, number, seed=seed).grouping

    grouping = group_per_family(observed, active_family, counts, find=find)
    if counts is None:
        counts = {int(f): len(np.unique(grouping[active_family == f])) for f in np.unique(active_family)}
        # A family with only constant features needs a category, too; it follows the learnt ones.
        counts |= {f: 1 for f in range(len(blocks.names)) if f not in counts}
    if config.assignment.init == "random":
        counts = dict(sorted(counts.items()))  # the order of the families' blocks in `random_grouping`
        grouping = random_grouping(
            len(grouping), sum(counts.values()), seed=seed, families=active_family, counts=counts
        )
    places = [(f, i) for f, count in counts.items() for i in range(count)]
    allowed = block_diagonal(torch.from_numpy(family), torch.tensor([f for f, _ in places]))
    return Categories(
        tuple(f"{blocks.names[f]}_{i}" for f, i in places),
        grouping,
        allowed[cleaner.active],
        (allowed.float() / allowed.sum(dim=1, keepdim=True)).numpy(),
    )


def _block_counts(blocks: Blocks, config: RunConfig) -> dict[int, int] | None:
    """Number of categories of each block; None if it is to be found."""
    wanted, names = config.model.categories, list(blocks.names)
    if isinstance(wanted, Mapping):
        if set(wanted) != set(names):
            raise ConfigError(
                f"categories must be given for exactly the families {names}, got {list(wanted)}"
            )
        return {f: wanted[name] for f, name in enumerate(names)}
    if wanted == "auto":
        return None
    sizes = np.bincount(blocks.of_feature, minlength=len(names))
    return share_categories(wanted, {f: int(size) for f, size in enumerate(sizes)})
