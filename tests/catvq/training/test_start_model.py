"""Runs that go on from the weights of a frozen model."""

from dataclasses import replace

import pytest
import torch

from catvq.errors import ConfigError
from catvq.features.table import FeatureTable
from catvq.frozen.start_model import StartModel
from catvq.training.run import TrainingRun

ORDER = [8, 0, 1, 2, 3, 4, 5, 6, 7]


@pytest.fixture(scope="module")
def directory(frozen, tmp_path_factory):
    directory = tmp_path_factory.mktemp("start")
    frozen.save(directory)
    return directory


@pytest.fixture(scope="module")
def start_model(directory):
    return StartModel.read(directory)


@pytest.fixture(scope="module")
def groups(frozen):
    return {each["name"]: tuple(each["features"]) for each in frozen.grouping["categories"]}


@pytest.fixture(scope="module")
def begin(start_model, groups, blemished_table, make_config):
    """A run on the same rows, whose columns come in another order."""

    def start(table=blemished_table, **sections):
        features = tuple(table.features[place] for place in ORDER)
        shuffled = FeatureTable(table.values[:, ORDER], features, table.families)
        assignment = {"init": "model", "model": "model_1", "take": "weights"}
        config = make_config(assignment=assignment, **({"model": {"categories": "auto"}} | sections))
        return TrainingRun.start(start_model.align(shuffled), config, groups, start_model=start_model)

    return start


def test_the_codes_are_those_of_the_model_until_training_moves_them(begin, frozen, start_model):
    run = begin()
    held_out = run._data.held_out
    expected = start_model.weights.encode(held_out)

    run._training.model.eval()
    learner = run._training._learner
    found = learner.model.encode(held_out, learner.routing())

    assert run.table.features == frozen.features
    assert torch.equal(found, expected)
    assert torch.equal(run._start_codes, expected)


def test_a_run_goes_on_and_tells_how_many_codes_stayed(begin, frozen, tmp_path):
    run = begin()
    run.train_epoch()
    run.save(tmp_path / "checkpoint")
    resumed = TrainingRun.resume(run.table, run.config, tmp_path / "checkpoint")
    models = []
    for each in (run, resumed):
        while not each.is_finished:
            each.train_epoch()
        models.append(each.freeze())
    kept = models[0].report["start"]["kept_codes"]

    assert models[0].digest == models[1].digest
    assert models[1].report["start"]["kept_codes"] == kept
    assert (kept["rows"], kept["codes"]) == ("validation", 6 * 6)
    assert 0.2 < kept["share"] <= 1
    assert models[0].grouping["categories"] == frozen.grouping["categories"]
    assert models[0].cleaner.to_dict() == frozen.cleaner.to_dict()
    assert (
        models[0].report["reconstruction_error"]["validation"]
        <= frozen.report["reconstruction_error"]["validation"] * 1.001
    )


def test_a_table_or_sizes_that_do_not_fit_are_refused(begin, start_model, blemished_table):
    table = replace(
        blemished_table,
        features=tuple("x" + name for name in blemished_table.features),
        families={"all": tuple("x" + name for name in blemished_table.features)},
    )
    with pytest.raises(ConfigError, match="other features"):
        start_model.align(table)
    with pytest.raises(ConfigError, match="other sizes"):
        begin(model={"categories": "auto", "hidden_dim": 16})
