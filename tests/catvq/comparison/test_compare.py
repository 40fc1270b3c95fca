import itertools
import json
import math

import numpy as np
import pytest

from catvq.compared import ComparedRows
from catvq.comparison.compare import compare
from catvq.comparison.conditions import sample_rows
from catvq.comparison.learnt_model import LearntModel
from catvq.comparison.verdict import NAMES
from catvq.config import TrainingSettings
from catvq.errors import Interrupted
from catvq.features.split import split_rows

TRAINING_SECONDS = 2.0


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr("catvq.comparison.compare.TRAININGS", 2)


@pytest.fixture(scope="module")
def published(train, make_table, tmp_path_factory):
    """A static model of three blocks of three features, read back from its files."""
    directory = tmp_path_factory.mktemp("model")
    train(make_table()).freeze().save(directory)
    return LearntModel.read(directory, TRAINING_SECONDS)


def never():
    return False


def test_features_that_came_back_have_not_moved(train, make_table, tmp_path):
    train(make_table()).freeze().save(tmp_path / "model")
    path = tmp_path / "model" / "report.json"
    moves = [("f0", "a", "b"), ("f1", "a", "c"), ("f0", "b", "a")]
    named = [{"name": name, "from": before, "to": after, "epoch": 1} for name, before, after in moves]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"moved_features": named}))
    assert LearntModel.read(tmp_path / "model", TRAINING_SECONDS).moved == 1


def test_every_method_is_compared_on_the_models_terms(published, make_table, make_config):
    comparison = compare(make_table(), make_config(), published, should_stop=never)
    document = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    assert (document["outcome"], document["probes"]) == (comparison.verdict.outcome, [])
    result = comparison.verdict
    assert [contestant.name for contestant in result.contestants] == ["model", *NAMES, "no_groups"]
    assert result.rows == ComparedRows(48, 6)
    assert (result.categories, result.levels, result.epochs, result.seeds) == (3, 2, 4, [0, 1])
    model_bits = np.log2(published.codebook_sizes).sum()
    assert result.bits_per_row == pytest.approx(model_bits, rel=0.05)
    assert result.bits_per_row == 3 * 2 * math.log2(result.codebook_size)
    assert result.model_test_error == published.test_error
    assert result.training_seconds == TRAINING_SECONDS
    assert all(0 < contestant.test_error < 3 for contestant in result.contestants)


def test_the_start_is_found_anew_from_halves_of_the_rows(published, make_table, make_config):
    def stability(**assignment):
        config = make_config(assignment=assignment)
        return compare(make_table(), config, published, should_stop=never).stability

    found = stability()
    assert found.rows == 24
    assert len(found.agreements) == 3
    assert found.agreement == pytest.approx(np.mean(found.agreements))
    assert found.agreement > 0.5
    assert stability(init="random") is None


def test_equal_groupings_have_equal_errors_and_others_do_not(published, make_table, make_config):
    result = compare(make_table(), make_config(), published, should_stop=never).verdict
    own, *others = result.contestants
    same = [other for other in others if other.agreement == 1]
    assert same, "the blocks are so plain that somebody else finds them, too"
    assert all(other.test_errors == own.test_errors for other in same)
    scrambled = LearntModel(
        cleaner=published.cleaner,
        grouping=np.array([0, 1, 2] * 3),
        codebook_sizes=published.codebook_sizes,
        test_error=None,
        moved=0,
        training_seconds=TRAINING_SECONDS,
    )
    worse = compare(make_table(), make_config(), scrambled, should_stop=never).verdict.contestants
    assert worse[0].test_errors != own.test_errors
    assert [c.test_errors for c in worse[1:]] == [c.test_errors for c in others]


def test_it_is_judged_by_test_rows_alone_and_learnt_from_training_rows_alone(
    published, make_table, make_config
):
    config, table = make_config(), make_table()
    split = split_rows(TrainingSettings(), 60)
    plain = compare(table, config, published, should_stop=never).verdict.contestants

    def with_rows(rows):
        def edit(values):
            values[rows] = 0

        return compare(make_table(edit=edit), config, published, should_stop=never).verdict.contestants

    without_test = with_rows(split.test)
    assert [c.agreement for c in without_test] == [c.agreement for c in plain]
    assert [c.test_error for c in without_test] != [c.test_error for c in plain]


def test_rows_are_sampled_within_their_parts_of_the_split(published, make_table, make_config, monkeypatch):
    monkeypatch.setattr("catvq.comparison.conditions.MAX_TRAIN_ROWS", 20)
    monkeypatch.setattr("catvq.comparison.conditions.MAX_TEST_ROWS", 4)
    monkeypatch.setattr("catvq.comparison.conditions.MAX_STEPS", 3)  # of 1 per epoch
    result = compare(make_table(), make_config(), published, should_stop=never).verdict
    assert (result.rows, result.epochs) == (ComparedRows(20, 4), 3)
    whole = split_rows(TrainingSettings(), 60)
    rows, split = sample_rows(whole, seed=0)
    assert set(rows[split.train]) <= set(whole.train)
    assert set(rows[split.test]) <= set(whole.test)


def test_families_that_are_kept_apart_stay_apart(published, make_table, make_config):
    config = make_config(assignment={"per_family": True})
    result = compare(make_table(), config, published, should_stop=never).verdict
    # One category in each of three families: nothing to choose.
    assert (result.outcome, result.contestants) == ("none", [])
    assert result.verdict.startswith("No verdict: there is only one way")


def test_without_test_rows_there_is_no_verdict(published, make_table, make_config):
    config = make_config(training={"test_fraction": 0.0})
    result = compare(make_table(), config, published, should_stop=never).verdict
    assert (result.outcome, result.rows.test) == ("none", 0)
    assert result.verdict.startswith("No verdict: 0 test rows")


def test_noise_is_found_to_be_noise(train, make_config, make_table, tmp_path):
    def scramble(values):
        values[:] = np.random.default_rng(1).normal(size=values.shape)

    noise = make_table(edit=scramble)
    train(noise).freeze().save(tmp_path)
    learnt = LearntModel.read(tmp_path, TRAINING_SECONDS)
    result = compare(noise, make_config(), learnt, should_stop=never).verdict
    assert not result.has_structure
    assert "looks like noise" in result.verdict


def test_it_can_be_stopped_before_every_step(published, make_table, make_config):
    asked = []

    def after_ten():
        asked.append(None)
        return len(asked) > 10

    with pytest.raises(Interrupted):
        compare(make_table(), make_config(), published, should_stop=after_ten)
    assert len(asked) == 11


def test_a_static_training_of_the_models_size_is_reckoned_from_shorter_ones(
    published, make_table, make_config, monkeypatch
):
    """24 of 48 rows and two of four epochs: the clock says one second each, so a whole one takes four."""
    monkeypatch.setattr("catvq.comparison.conditions.MAX_TRAIN_ROWS", 24)
    monkeypatch.setattr("catvq.comparison.conditions.MAX_STEPS", 2)
    monkeypatch.setattr("catvq.comparison.compare.monotonic", itertools.count().__next__)
    result = compare(make_table(), make_config(), published, should_stop=never).verdict
    assert (result.rows.train, result.epochs) == (24, 2)
    assert result.static_seconds == 4 * 1
