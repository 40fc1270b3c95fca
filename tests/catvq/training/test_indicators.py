"""Runs that learn which values are missing, as a part of their features."""

import numpy as np
import onnxruntime
import pytest
import torch

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.config import CleaningSettings
from catvq.features.columns import FeatureColumns
from catvq.features.table import FeatureTable
from catvq.frozen.verify import OnnxEncoder
from catvq.training.run import TrainingRun

COLUMNS = FeatureColumns.tabular(np.array([0, 3, 0]))
CONFIG = CleaningSettings(missing="indicator")


@pytest.fixture(scope="module")
def values():
    random = np.random.default_rng(0)
    found = random.normal(size=(200, 3)).astype(np.float32)
    found[:, 1] = random.integers(3, size=200)
    found[random.random(200) < 0.3, 0] = found[random.random(200) < 0.2, 1] = np.nan
    return found


@pytest.fixture(scope="module")
def cleaner(values):
    return FeatureCleaner.fit(values, CONFIG, columns=COLUMNS)


def test_a_feature_with_missing_values_has_one_more_column_and_stays_one(values, cleaner):
    assert cleaner.feature_of_column.tolist() == [0, 0, 1, 1, 1, 1, 2]
    assert np.flatnonzero(cleaner.is_gap).tolist() == [1, 5]
    present = cleaner.present(values)
    assert present[:, cleaner.is_gap].all()
    assert np.array_equal(present[:, 0], ~np.isnan(values[:, 0]))


def test_value_and_indicator_weigh_half_of_the_feature_each(values, cleaner):
    variance = np.nanvar(cleaner.observed(values).astype(np.float64), axis=0)
    assert variance == pytest.approx([0.5, 0.5, *variance[2:5], 0.5, 1], rel=1e-4)
    assert variance[2:5].sum() == pytest.approx(0.5, rel=1e-4)


def test_what_is_missing_comes_back_as_missing_and_all_else_as_it_was(values, cleaner):
    restored = cleaner.restore(cleaner.normalize(values))
    inside = np.isnan(values) | ((values >= cleaner.lower[[0, 2, 6]]) & (values <= cleaner.upper[[0, 2, 6]]))
    inside[:, 1] = True
    assert np.array_equal(np.isnan(restored), np.isnan(values))
    assert restored[inside] == pytest.approx(values[inside], abs=1e-4, nan_ok=True)
    again = FeatureCleaner.from_dict(cleaner.to_dict())
    assert np.array_equal(again.normalize(values), cleaner.normalize(values))


def test_other_rows_that_miss_a_value_where_no_training_row_did_are_filled(cleaner):
    row = np.full((1, 3), np.nan, np.float32)
    assert np.isnan(cleaner.restore(cleaner.normalize(row))[0]).tolist() == [True, True, False]


@pytest.fixture(scope="module")
def run(train, make_table, make_config):
    def edit(table):
        table[1::3, :3] = np.nan  # missing together: one bit tells all three
        table[::4, 5] = np.nan

    plain = make_table(rows=90, edit=edit)
    values = np.column_stack([plain.values, np.arange(90) % 2]).astype(np.float32)
    values[::5, 9] = np.nan
    features = (*plain.features, "kind")
    table = FeatureTable(values, features, {**plain.families, "k": ("kind",)}, {"kind": ("x", "y")})
    return train(table, make_config(cleaning={"missing": "indicator"}, training={"epochs": 6}))


def test_the_exported_graphs_do_what_the_cleaning_does(run, tmp_path):
    frozen = run.freeze()  # which checks the codes of every row
    frozen.save(tmp_path)
    rows = run.table.values
    encoder, decoder = (
        onnxruntime.InferenceSession(tmp_path / f"{name}.onnx", providers=["CPUExecutionProvider"])
        for name in ("encoder", "decoder")
    )
    codes, normalized = encoder.run(["codes", "normalized"], {"rows": rows})
    active = frozen.cleaner.active_columns
    assert np.array_equal(normalized[:, active], frozen.cleaner.normalize(rows))
    decoded = frozen.cleaner.restore(frozen.weights.decode(torch.from_numpy(codes)).numpy())
    found = decoder.run(["rows"], {"codes": codes})[0]
    assert found == pytest.approx(decoded, rel=1e-4, abs=1e-4, nan_ok=True)
    is_missing = np.isnan(rows[:, :3])
    assert (np.isnan(decoded[:, :3]) == is_missing).mean() > 0.95


def test_a_rows_error_is_a_mean_over_the_features_of_which_some_column_is_there(run):
    frozen, rows = run.freeze(), run.table.values.copy()
    rows[:9, 9] = rows[:2, 7] = np.nan  # a category of which missing is learnt, a number of which it is not
    found = OnnxEncoder(frozen.encoder, frozen.doubt).encode(rows)
    gap = frozen.weights.decode(torch.from_numpy(found.codes)).numpy() - frozen.cleaner.normalize(rows)
    present, owner = (
        frozen.cleaner.present(rows),
        frozen.cleaner.feature_of_column[frozen.cleaner.active_columns],
    )
    counted = [len(np.unique(owner[row])) for row in present]
    assert set(counted) == {9, 10}
    assert found.reconstruction_error == pytest.approx((gap**2 * present).sum(axis=1) / counted, rel=1e-4)


def test_a_run_counts_the_feature_once_and_goes_on_from_a_checkpoint(run, tmp_path):
    frozen = run.freeze()
    assert len(frozen.grouping["features"]) == 10
    assert 0 < frozen.report["reconstruction_error"]["test"] < 1
    run.save(tmp_path / "checkpoint")
    resumed = TrainingRun.resume(run.table, run.config, tmp_path / "checkpoint")
    assert resumed.freeze().digest == frozen.digest
