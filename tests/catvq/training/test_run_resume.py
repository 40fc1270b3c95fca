"""A run that is killed and resumed is the uninterrupted run, bit for bit."""

import json
from contextlib import suppress

import numpy as np
import pytest
import torch

from catvq.errors import CheckpointError, Interrupted
from catvq.features.table import FeatureTable
from catvq.training.run import TrainingRun

SEARCH_STEPS = 12  # then 12 training steps; the assignment hardens with the sixth
ALL = tuple(f"f{i}" for i in range(9))
SETTINGS = {
    "mirror": {"assignment": {"estimator": "mirror"}},
    "softmax by step": {"assignment": {"temperature_update": "step"}},
    "gumbel": {"assignment": {"estimator": "gumbel", "freeze_after_epochs": None}},
    "straight through": {"assignment": {"estimator": "straight_through"}},
    "reinmax": {"assignment": {"estimator": "reinmax"}},
    "sinkhorn": {"assignment": {"estimator": "sinkhorn", "per_family": True}, "model": {"categories": 6}},
    "static": {"assignment": {"mode": "static"}},
    "collapse": {"assignment": {"temperature_start": 50.0, "temperature_schedule": "constant"}},
    "model first": {"assignment": {"stages": "model_first", "freeze_after_epochs": 3}},
    "in turn": {"assignment": {"stages": "in_turn", "estimator": "gumbel", "freeze_after_epochs": 3}},
    "settled": {
        "assignment": {
            "temperature_start": 0.1,
            "freeze_when_settled": True,
            "freeze_after_epochs": 9,
        },
        "training": {"epochs": 12, "batch_size": 48},
    },
    "pruned": {"assignment": {"prune_empty": True, "init": "user", "groups": {"a": ALL, "b": ()}}},
    "surplus": {"assignment": {"surplus_categories": 2, "freeze_after_epochs": 3}},
    "gradient codebook": {"model": {"codebook_update": "gradient"}},
    "mirror by family": {
        "assignment": {"estimator": "mirror", "per_family": True},
        "model": {"categories": 6},
    },
}


def interrupt_at(run, step):
    """Train up to a step of the whole run, as a worker does that is told to stop there."""
    with suppress(Interrupted):
        while run.state().step < step:
            run.train_epoch(lambda: run.state().step >= step)
    assert run.state().step == step


def finish(run):
    while not run.is_finished:
        run.train_epoch()
    return run


def outcome(run):
    """Everything that a run leaves behind."""
    frozen = run.freeze()
    return {
        "assignment": run.soft_assignment().tobytes(),
        "encoder": frozen.encoder,
        "decoder": frozen.decoder,
        "grouping": json.dumps(frozen.grouping),
        "report": json.dumps(frozen.report),
        "state": json.dumps(run.state().to_dict()),
    }


@pytest.fixture(scope="module")
def uninterrupted(make_table, make_config):
    """Outcomes of runs that nobody stopped, each trained once."""
    known = {}

    def get(name):
        if name not in known:
            known[name] = outcome(finish(TrainingRun.start(make_table(), make_config(**SETTINGS[name]))))
        return known[name]

    return get


def changed(one, other):
    return {name for name in one if one[name] != other[name]}


STOPS = [0, 2, 3, 4, 5, 6, 8, 9, 11, 12]
FEW_STOPS = [4, 6, 9, 11]  # within an epoch, where the assignment hardens, after an epoch, within the last
CASES = [("gumbel", step) for step in STOPS]
CASES += [(name, step) for name in SETTINGS if name not in {"gumbel", "mirror"} for step in FEW_STOPS]
CASES += [("mirror by family", SEARCH_STEPS + step) for step in FEW_STOPS]
CASES += [("mirror", step) for step in [0, 3, 4, 7, 11, *(SEARCH_STEPS + step for step in STOPS)]]


@pytest.mark.usefixtures("_short_search")
@pytest.mark.parametrize(("name", "step"), CASES)
def test_a_resumed_run_is_the_uninterrupted_one(make_table, make_config, uninterrupted, tmp_path, name, step):
    config = make_config(**SETTINGS[name])
    run = TrainingRun.start(make_table(), config)
    interrupt_at(run, step)
    run.save(tmp_path / "checkpoint")
    torch.rand(5)  # a new process has other numbers in its generator

    resumed = TrainingRun.resume(make_table(), config, tmp_path / "checkpoint")

    assert resumed.state() == run.state()
    assert changed(outcome(finish(resumed)), uninterrupted(name)) == set()


@pytest.mark.usefixtures("_short_search")
@pytest.mark.parametrize("name", ["mirror", "gumbel"])
def test_a_run_resumed_at_every_step_is_the_uninterrupted_one(
    make_table, make_config, uninterrupted, tmp_path, name
):
    config = make_config(**SETTINGS[name])
    run = TrainingRun.start(make_table(), config)
    for step in range(1, run.state().steps):
        interrupt_at(run, step)
        run.save(tmp_path / "checkpoint")
        run = TrainingRun.resume(make_table(), config, tmp_path / "checkpoint")

    assert changed(outcome(finish(run)), uninterrupted(name)) == set()


@pytest.mark.usefixtures("_short_search")
@pytest.mark.parametrize("name", ["mirror", "gumbel"])
def test_an_interrupted_run_that_goes_on_in_the_same_process_is_the_uninterrupted_one(
    make_table, make_config, uninterrupted, name
):
    run = TrainingRun.start(make_table(), make_config(**SETTINGS[name]))
    for step in (1, 5, 7, 8):
        interrupt_at(run, step)

    assert changed(outcome(finish(run)), uninterrupted(name)) == set()


@pytest.mark.usefixtures("_short_search")
def test_a_frozen_run_resumes_to_the_same_model(make_table, make_config, tmp_path):
    run = TrainingRun.start(make_table(), make_config(assignment={"estimator": "mirror"}))
    run.train_epoch()
    run.finish()
    expected = outcome(finish(run))
    run.save(tmp_path / "checkpoint")

    resumed = TrainingRun.resume(make_table(), run.config, tmp_path / "checkpoint")

    assert resumed.is_finished
    assert changed(outcome(resumed), expected) == set()


def test_freezing_twice_gives_the_same_model(train):
    run = train()

    assert changed(outcome(run), outcome(run)) == set()


def test_a_resumed_run_has_the_names_cleaning_and_groups_of_a_blemished_table(
    blemished_run, blemished_table, tmp_path
):
    blemished_run.save(tmp_path / "checkpoint")

    resumed = TrainingRun.resume(blemished_table, blemished_run.config, tmp_path / "checkpoint")

    assert resumed.category_names == blemished_run.category_names
    assert changed(outcome(resumed), outcome(blemished_run)) == set()


def test_the_time_spent_counts_over_all_attempts(make_table, make_config, tmp_path):
    config = make_config(training={"max_seconds": 3600.0})
    run = TrainingRun.start(make_table(), config)
    run.train_epoch()
    run._progress.seconds = 3599.9999
    run.save(tmp_path / "checkpoint")

    resumed = TrainingRun.resume(make_table(), config, tmp_path / "checkpoint")
    resumed.train_epoch()

    assert resumed.is_finished
    assert resumed.epoch == 2


@pytest.fixture
def checkpoint(make_table, make_config, tmp_path):
    run = TrainingRun.start(make_table(), make_config())
    run.train_epoch()
    run.save(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_a_checkpoint_of_another_configuration_is_refused(checkpoint, make_table, make_config):
    with pytest.raises(CheckpointError, match="another configuration"):
        TrainingRun.resume(make_table(), make_config(training={"seed": 1}), checkpoint)


def test_a_checkpoint_of_another_version_is_refused(make_table, make_config, tmp_path, monkeypatch):
    run = TrainingRun.start(make_table(), make_config())
    with monkeypatch.context() as older:
        older.setattr("catvq.training.run_origin.CHECKPOINT_FORMAT", 1)
        run.save(tmp_path / "checkpoint")

    with pytest.raises(CheckpointError, match="another version; the job has to start anew"):
        TrainingRun.resume(make_table(), make_config(), tmp_path / "checkpoint")


def test_a_checkpoint_of_other_features_is_refused(checkpoint, make_table, make_config):
    table = make_table()
    names = tuple(f"g{i}" for i in range(9))
    other = FeatureTable(table.values, names, {"all": names})

    with pytest.raises(CheckpointError, match="table"):
        TrainingRun.resume(other, make_config(), checkpoint)


def test_a_checkpoint_of_another_number_of_rows_is_refused(checkpoint, make_table, make_config):
    with pytest.raises(CheckpointError, match="table"):
        TrainingRun.resume(make_table(rows=61), make_config(), checkpoint)


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_a_torn_checkpoint_is_refused(checkpoint, make_table, make_config, kept):
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(kept * len(content))])

    with pytest.raises(CheckpointError):
        TrainingRun.resume(make_table(), make_config(), checkpoint)


def test_a_checkpoint_with_one_changed_weight_is_refused(checkpoint, make_table, make_config):
    content = bytearray(checkpoint.read_bytes())
    content[-100] ^= 1
    checkpoint.write_bytes(content)

    with pytest.raises(CheckpointError, match="digest"):
        TrainingRun.resume(make_table(), make_config(), checkpoint)


def test_given_groups_resume_in_their_own_order(make_table, make_config, tmp_path):
    """Keys of JSON objects may come back in another order than they went."""
    groups = {"z": ("f0", "f1", "f2", "f3"), "a": ("f4", "f5", "f6", "f7", "f8")}
    config = make_config(model={"categories": 3}, assignment={"init": "user", "groups": groups})
    run = TrainingRun.start(make_table(), config)
    run.train_epoch()
    run.save(tmp_path / "checkpoint")

    resumed = TrainingRun.resume(make_table(), config, tmp_path / "checkpoint")

    assert resumed.category_names == ["z", "a", "category_2"]
    assert np.array_equal(resumed.soft_assignment(), run.soft_assignment())
