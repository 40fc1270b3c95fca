"""Settles where a run starts: cleans the table, and finds the categories that training begins with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.config import RunConfig
from catvq.features.scores.feature_scores import feature_scores
from catvq.features.scores.row_lengths import RowLengths
from catvq.features.split import draw_sample
from catvq.features.table import FeatureTable
from catvq.frozen.start_model import StartModel
from catvq.grouping.categories import Categories
from catvq.grouping.choose_initial import choose_start
from catvq.grouping.initial import fit_cleaner, start_categories
from catvq.recipe import choose_sample_size


@dataclass(frozen=True)
class SettledStart:
    """Where a run starts.

    Attributes:
        cleaner: Fitted on the training rows, or that of the model that the run goes on from.
        categories: With the starting grouping.
        report: How that was chosen, see `StartReport`, and the grouping by names.
    """

    cleaner: FeatureCleaner
    categories: Categories
    report: dict[str, Any]


def settle_start(
    table: FeatureTable,
    config: RunConfig,
    groups: Mapping[str, Sequence[str]] | None,
    start_model: StartModel | None,
    should_stop: Callable[[], bool],
) -> SettledStart:
    """Fit the cleaner, and choose the starting categories on a sample of the training rows.

    Raises:
        ConfigError: The configuration does not fit the table.
        Interrupted: `should_stop` said so.
    """
    split = table.split(config.training)
    cleaner = fit_cleaner(table, split, config, groups) if start_model is None else start_model.cleaner
    most = choose_sample_size(len(cleaner.active_columns))
    sample = draw_sample(split.train, most, seed=config.training.seed)
    observed = cleaner.observed(table.take(sample))
    RowLengths.of(table, cleaner.active).take_out(observed, cleaner.feature_of_column, sample)
    scores = feature_scores(observed, cleaner.feature_of_column, cleaner.is_channel, cleaner.is_gap)
    categories = start_categories(table, cleaner, scores, config, groups)
    categories, report = choose_start(config, categories, scores, should_stop, rows=len(split.train))
    members = categories.members(table.features, cleaner)
    return SettledStart(cleaner, categories.tied(cleaner), asdict(report) | {"grouping": members})
