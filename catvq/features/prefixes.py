"""Adds how series begin to the training rows, so that a model knows rows that are not complete yet."""

from dataclasses import replace

import numpy as np

from catvq.config import RunConfig
from catvq.errors import ConfigError
from catvq.features.sequences import Series
from catvq.features.spooled import gather
from catvq.features.table import FeatureTable, select_features

PREFIXES = 2  # of each training row, beside the whole


def prepare_table(table: FeatureTable, config: RunConfig) -> FeatureTable:
    """Return what a run learns from: the wanted features, with prefixes of the training rows if asked for.

    Raises:
        ConfigError: No feature is left, or there are no series to take prefixes of.
    """
    table = select_features(table, config.features)
    if not config.model.series.crop:
        return table
    if not any(isinstance(other, Series) for other in table.others.values()):
        raise ConfigError("model.series.crop needs a family of series")
    rows = np.repeat(table.split(config.training).train, PREFIXES)
    # The same share of all series of a row: they end at the same time.
    share = np.random.default_rng([config.training.seed, 4]).uniform(size=len(rows))
    others = {}
    for family, other in table.others.items():
        taken = other.take(rows)
        if isinstance(taken, Series):
            taken = taken.begin(np.ceil(share * taken.lengths).astype(np.int64))
        others[family] = taken
    beginnings = FeatureTable(
        gather(table.values, rows, table.spool_dir),
        table.features,
        table.families,
        table.values_of,
        origins=table.origins,
        others=others,
        weights=None if table.weights is None else table.weights[rows],
        spool_dir=table.spool_dir,
    )
    return replace(table, prefixes=beginnings)
