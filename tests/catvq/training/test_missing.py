"""Runs on tables whose cells go missing together: errors are over what was there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from catvq.comparison import compare as module
from catvq.comparison.compare import compare
from catvq.comparison.learnt_model import LearntModel
from catvq.config import TrainingSettings
from catvq.features.split import split_rows
from catvq.training.run import TrainingRun


def gone_together(values):
    values[1::3, :3] = np.nan
    values[::5, 7] = np.nan


@pytest.fixture(scope="module")
def run(train, make_table):
    return train(make_table(edit=gone_together))


def errors_of_cells(run, frozen):
    """Squared errors of the cells that are there, NaN elsewhere; every feature is a column here."""
    features = torch.from_numpy(frozen.cleaner.normalize(run.table.values))
    errors = (frozen.weights.decode(frozen.weights.encode(features)) - features).square().numpy()
    return np.where(np.isnan(run.table.values[:, frozen.cleaner.active]), np.nan, errors)


def test_the_reported_errors_are_over_the_cells_that_were_there(run):
    frozen = run.freeze()
    errors, split = errors_of_cells(run, frozen), split_rows(TrainingSettings(), 60)

    reported = frozen.report["reconstruction_error"]

    for part in ("train", "validation", "test"):
        assert reported[part] == pytest.approx(np.nanmean(errors[getattr(split, part)]), rel=1e-5)
    assert run.state().losses["validation"] > 0


def test_the_verdict_s_errors_are_over_the_cells_that_were_there(run, tmp_path, make_config, monkeypatch):
    monkeypatch.setattr("catvq.comparison.compare.TRAININGS", 2)
    frozen = run.freeze()
    frozen.save(tmp_path)
    seen, row_errors = [], module._row_errors
    monkeypatch.setattr(module, "_row_errors", lambda *judged: seen.append(judged) or row_errors(*judged))

    compare(run.table, make_config(), LearntModel.read(tmp_path, 1.0), should_stop=lambda: False)

    assert seen
    for rebuilt, data in seen:
        rows = torch.from_numpy(data.split.test)
        errors = (rebuilt - data.features[rows]).square()[data.present[rows]]
        assert row_errors(rebuilt, data).mean() == pytest.approx(float(errors.mean()), rel=1e-5)


def test_rows_count_by_their_weight_in_the_reported_errors(train, make_table, tmp_path):
    weights = np.random.default_rng(0).uniform(0.1, 3, 60)
    weights[:5] = 0
    run = train(replace(make_table(edit=gone_together), weights=weights))
    frozen = run.freeze()
    errors, split = errors_of_cells(run, frozen), run._data.split

    for part in ("train", "validation", "test"):
        rows = getattr(split, part)
        counts = weights[rows, None] * ~np.isnan(errors[rows])
        expected = np.nansum(errors[rows] * counts) / counts.sum()
        assert frozen.report["reconstruction_error"][part] == pytest.approx(expected, rel=1e-5)
    assert sum(frozen.report["rows"].values()) == 55
    run.save(tmp_path / "checkpoint")
    assert TrainingRun.resume(run.table, run.config, tmp_path / "checkpoint").epoch == run.epoch
