import subprocess
import sys

import pytest

from catvq import recipe
from catvq.config import RunConfig, TrainingSettings
from catvq.descriptors import names
from catvq.recipe import (
    LEAST_SAMPLE_ROWS,
    SAMPLE_CELLS,
    choose_batch_size,
    choose_epochs,
    choose_sample_size,
    fill_in,
)


def test_the_defaults_need_no_torch():
    code = "import sys, catvq.recipe; print({'torch', 'numpy', 'sklearn'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


@pytest.mark.parametrize(
    ("wanted", "rows", "expected"),
    [
        ("auto", 8, 8),
        ("auto", 100, 32),
        ("auto", 1600, 128),
        ("auto", 10**6, 1024),
        (16, 100, 16),
        (512, 100, 100),
    ],
)
def test_the_batch_is_a_sixteenth_of_the_rows_within_bounds(wanted, rows, expected):
    assert choose_batch_size(TrainingSettings(batch_size=wanted), rows) == expected


@pytest.mark.parametrize(
    ("wanted", "rows", "expected"),
    [("auto", 50, 100), ("auto", 400, 50), ("auto", 16_384, 38), ("auto", 10**7, 10), (300, 10**7, 300)],
)
def test_epochs_are_those_of_about_as_many_steps_for_all_tables(wanted, rows, expected):
    assert choose_epochs(TrainingSettings(epochs=wanted), rows) == expected


def test_what_is_filled_in_stays():
    filled = fill_in(RunConfig(), 1000)

    assert fill_in(filled, 1000) == filled
    assert (filled.assignment.estimator, filled.assignment.temperature_start) == ("softmax", 1.0)
    assert filled.model.compression_ratios == [1.0, 1.0, 1.0]
    assert (filled.training.batch_size, filled.training.epochs) == (64, 40)
    assert filled.assignment.freeze_after_epochs == 16


def test_a_channel_becomes_as_many_columns_as_it_has_descriptors():
    assert (len(names.SERIES), len(names.GRID)) == (recipe.SERIES_DESCRIPTORS, recipe.GRID_DESCRIPTORS)


def test_a_sample_has_as_many_cells_however_wide_a_table_is_but_never_few_rows():
    assert choose_sample_size(64) * 64 == SAMPLE_CELLS
    assert choose_sample_size(SAMPLE_CELLS) == LEAST_SAMPLE_ROWS
