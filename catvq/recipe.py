"""What "auto" and null stand for in a configuration, as far as sizes alone decide it. Loads no torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from catvq.config import HeldOutPart, RunConfig, TrainingSettings
from catvq.config.assignment import ASSIGNMENT_LR, TEMPERATURE_END, TEMPERATURE_SCHEDULE, TEMPERATURE_START

MIN_TRAINING_ROWS = 8  # below this neither a split nor a batch statistic means anything

# The model: sizes follow a category's number of features.
MIN_LATENT_DIM, MAX_LATENT_DIM = 2, 32  # wider latents quantise no better at these codebook sizes
MIN_CODEBOOK_SIZE, MAX_CODEBOOK_SIZE = 16, 256
CODES_PER_FEATURE = 16  # at ratio 1, before rounding to a power of two
CHANNEL_FEATURES = 16  # a channel counts as so many: with 8, codes of real grids had a quarter more error
ROWS_PER_CODE = 8  # fewer rows than this cannot place a code
PARTIAL_HIDDEN_DIM = 32  # narrow: a partial decoder probes what one stream holds, it is not the decoder

SERIES_DESCRIPTORS, GRID_DESCRIPTORS = 44, 86  # columns that each channel becomes

# The training: about STEPS steps in batches of about a sixteenth of the rows.
MIN_BATCH_SIZE, MAX_BATCH_SIZE, BATCHES_PER_EPOCH = 32, 1024, 16
STEPS, MIN_EPOCHS, MAX_EPOCHS = 600, 10, 100

# Samples that stand for all rows of a long table where it is cleaned, started from and judged.
SAMPLE_CELLS = 2**24  # 64 MiB of float32; a table of fewer is its own sample
LEAST_SAMPLE_ROWS = 4096  # however wide the table is

# The search for the assignment by mirror descent.
SEARCH_STEPS = 800
SEARCH_RESTARTS = 5
SEARCH_BATCH_SIZE = 256
SCORER_HIDDEN_DIM = 48


@dataclass(frozen=True)
class RowCounts:
    """How many rows train, how many choices may look at, and how many no choice sees."""

    train: int
    validation: int
    test: int


def count_rows(
    training: TrainingSettings, rows: int, held_out: Mapping[HeldOutPart, int] = MappingProxyType({})
) -> RowCounts:
    """Split a number of rows; a part that has rows of another table, in number `held_out`, takes none."""
    test = 0 if "test" in held_out else round(rows * training.test_fraction)
    validation = 0 if "validation" in held_out else round(rows * training.validation_fraction)
    return RowCounts(
        train=rows - test - validation,
        validation=held_out.get("validation", validation),
        test=held_out.get("test", test),
    )


def choose_batch_size(training: TrainingSettings, rows: int) -> int:
    """Rows per step: as given, or a power of two near a sixteenth of the training rows; at most `rows`."""
    if training.batch_size != "auto":
        return min(training.batch_size, rows)
    return min(max(_power_of_two(rows / BATCHES_PER_EPOCH), MIN_BATCH_SIZE), MAX_BATCH_SIZE, rows)


def choose_epochs(training: TrainingSettings, rows: int) -> int:
    """Epochs: as given, or those of about STEPS steps, within bounds."""
    if training.epochs != "auto":
        return training.epochs
    steps_per_epoch = rows // choose_batch_size(training, rows)
    return min(max(round(STEPS / steps_per_epoch), MIN_EPOCHS), MAX_EPOCHS)


def choose_sample_size(columns: int) -> int:
    """The most rows of a sample of rows of so many columns."""
    return max(LEAST_SAMPLE_ROWS, SAMPLE_CELLS // max(1, columns))


def choose_codebook_size(features: float, rows: int) -> int:
    """Codes of a codebook for so many features, as far as so many rows can place them: a power of two."""
    most = min(MAX_CODEBOOK_SIZE, _power_of_two(rows / ROWS_PER_CODE))
    return max(MIN_CODEBOOK_SIZE, min(most, _power_of_two(CODES_PER_FEATURE * features)))


def shares_of_levels(levels: int) -> list[float]:
    """Factors of an automatic codebook size, by level: at equal bits, codes buy most in the last one."""
    return [1.0] if levels == 1 else [0.5, *[1.0] * (levels - 2), 2.0]


def choose_latent_dim(features: float) -> int:
    """Width of a latent that describes so many features."""
    return min(max(round(features), MIN_LATENT_DIM), MAX_LATENT_DIM)


def fill_in(config: RunConfig, rows: int) -> RunConfig:
    """Replace every null, and every "auto" that needs no look at the data.

    Args:
        rows: Training rows.
    """
    assignment = config.assignment
    epochs = choose_epochs(config.training, rows)
    return replace(
        config,
        model=replace(config.model, compression_ratios=config.model.ratios()),
        assignment=replace(
            assignment,
            per_family=config.keeps_families,
            init=assignment.resolved_init(),
            estimator=assignment.resolved_estimator(),
            temperature_start=_default(assignment.temperature_start, TEMPERATURE_START),
            temperature_end=_default(assignment.temperature_end, TEMPERATURE_END),
            temperature_schedule=assignment.temperature_schedule or TEMPERATURE_SCHEDULE,
            orthogonality_weight=assignment.own_weights().orthogonality,
            assignment_lr=_default(assignment.assignment_lr, ASSIGNMENT_LR),
            freeze_after_epochs=assignment.freeze_epoch(epochs),
        ),
        training=replace(
            config.training,
            batch_size=choose_batch_size(config.training, rows),
            epochs=epochs,
            early_stopping=config.training.stops_early,
        ),
    )


def _default(value: float | None, default: float) -> float:
    return default if value is None else value


def _power_of_two(number: float) -> int:
    return 1 << round(math.log2(max(number, 1.0)))
