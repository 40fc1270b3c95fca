"""Rows of long tables lie in files, and a sample of them stands for the others."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from catvq.config import RunConfig
from catvq.errors import Interrupted
from catvq.features.sequences import Series
from catvq.features.table import FeatureTable
from catvq.frozen.start_model import StartModel
from catvq.training.run import TrainingRun

ROWS = 120


@pytest.fixture(scope="module")
def table(make_table):
    """Numbers with gaps, a categorical feature, a series, weights, and a table that validates."""

    def make(rows, seed):
        random = np.random.default_rng(seed)
        plain = make_table(rows, seed=seed)
        values = plain.values.copy()
        values[::7, 2] = np.nan
        values[:, 8] = random.integers(0, 3, rows)
        offsets = np.concatenate([[0], random.integers(4, 12, rows).cumsum()])
        steps = random.standard_normal((int(offsets[-1]), 1)).astype(np.float32)
        return FeatureTable(
            values,
            (*plain.features, "walk/x"),
            dict(plain.families) | {"walk": ("walk/x",)},
            {"f8": ("a", "b", "c")},
            weights=random.random(rows) * (random.random(rows) > 0.1),
            others={"walk": Series.divide(steps, offsets)},
        )

    return replace(make(ROWS, 0), held_out={"validation": make(40, 1)})


@pytest.fixture(scope="module")
def config():
    """All kinds of rows: some features are left out, and beginnings of series train, too."""
    return RunConfig.from_dict(
        {
            "model": {"categories": 3, "levels": 2, "hidden_dim": 8, "series": {"crop": True}},
            "features": {"exclude": ["f3"]},
            "training": {"epochs": 2, "batch_size": 64, "device": "cpu"},
        }
    )


@pytest.fixture
def _everything_in_files(monkeypatch):
    monkeypatch.setattr("catvq.features.spooled.IN_MEMORY_BYTES", 0)
    monkeypatch.setattr("catvq.features.spooled.BLOCK_CELLS", 500)


@pytest.fixture
def _small_samples(monkeypatch):
    monkeypatch.setattr("catvq.recipe.SAMPLE_CELLS", 0)
    monkeypatch.setattr("catvq.recipe.LEAST_SAMPLE_ROWS", 30)
    monkeypatch.setattr("catvq.training.freezing.rows.MOST_ROWS", 100)
    monkeypatch.setattr("catvq.training.freezing.rows.SAMPLED_ROWS", 90)


def frozen(run):
    while not run.is_finished:
        run.train_epoch()
    return run.freeze()


@pytest.fixture(scope="module")
def expected(table, config):
    """What a run in memory leaves behind."""
    return frozen(TrainingRun.start(table, config))


@pytest.mark.usefixtures("_everything_in_files")
def test_a_run_whose_rows_lie_in_files_is_the_one_in_memory_bit_for_bit(table, config, expected, tmp_path):
    found = frozen(TrainingRun.start(replace(table, spool_dir=tmp_path), config))

    assert found.digest == expected.digest
    assert found.report == expected.report
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("_everything_in_files", "_small_samples")
def test_a_run_that_learns_from_samples_resumes_bit_for_bit(table, config, expected, tmp_path):
    whole = frozen(TrainingRun.start(table, config))
    run = TrainingRun.start(table, config)
    with suppress(Interrupted):
        run.train_epoch(lambda: run.state().step >= 2)
    run.save(tmp_path / "checkpoint")

    resumed = frozen(TrainingRun.resume(table, config, tmp_path / "checkpoint"))

    assert resumed.digest == whole.digest != expected.digest
    assert resumed.report == whole.report


@pytest.mark.usefixtures("_small_samples")
def test_the_report_of_a_long_table_says_of_how_many_rows_it_is(table, config):
    report = frozen(TrainingRun.start(table, config)).report

    rows, measured = report["rows"], report["measured_rows"]
    beginnings = 2 * len(table.split(config.training).train)
    assert report["freeze_check"]["of"] == ROWS + 40 + beginnings
    assert report["freeze_check"]["rows"] == sum(measured.values()) == report["codes"]["rows"]
    assert abs(sum(measured.values()) - 90) <= 2
    assert all(0 < measured[part] < rows[part] for part in measured)
    assert all(error is not None for error in report["reconstruction_error"].values())


def test_a_table_with_many_values_of_series_is_verified_on_some_rows_too(table, config, monkeypatch):
    monkeypatch.setattr("catvq.training.freezing.rows.MOST_CELLS", 100)
    monkeypatch.setattr("catvq.training.freezing.rows.SAMPLED_CELLS", 300)

    run = TrainingRun.start(table, config)
    check = frozen(run).report["freeze_check"]

    cells = sum(int(part.others["walk"].cells.sum()) for part in run.table.parts)
    assert check["of"] == run.table.num_rows
    assert abs(check["rows"] - 300 * check["of"] / cells) <= 2


def test_all_rows_of_a_short_table_are_verified_and_the_report_says_so(expected):
    check = expected.report["freeze_check"]

    assert check["rows"] == check["of"] == expected.report["codes"]["rows"]
    assert expected.report["measured_rows"] == expected.report["rows"]


@pytest.mark.usefixtures("_small_samples")
def test_a_model_gone_on_from_keeps_codes_of_a_sample(make_table, make_config, tmp_path):
    table = make_table(400)
    model = frozen(TrainingRun.start(table, make_config()))
    model.save(tmp_path)
    start = StartModel.read(tmp_path)
    groups = {each["name"]: tuple(each["features"]) for each in model.grouping["categories"]}
    config = make_config(
        assignment={"init": "model", "model": "model_1", "take": "weights"},
        training={"validation_fraction": 0.5},
    )

    run = TrainingRun.start(start.align(table), config, groups, start_model=start)

    kept = frozen(run).report["start"]["kept_codes"]
    assert kept["codes"] == 30 * 6
    assert 0.2 < kept["share"] <= 1
