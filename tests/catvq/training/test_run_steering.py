"""Runs whose temperature is held, set or released, or that are told to finish, and their exact repetition."""

import json

import pytest
import torch

from catvq.errors import Interrupted
from catvq.training.run import TrainingRun

SETTINGS = {
    "mirror": {"assignment": {"estimator": "mirror"}},
    "softmax": {"assignment": {"temperature_update": "step"}},
}


def advance_to(run, moment):
    """Train up to a moment, as a worker does that is told to change something there."""
    while run.moment < moment:
        try:
            run.train_epoch(lambda: run.moment >= moment)
        except Interrupted:
            return


def finish(run):
    while not run.is_finished:
        run.train_epoch()
    frozen = run.freeze()
    return frozen.encoder, json.dumps(frozen.grouping), run.soft_assignment().tobytes()


def test_a_held_temperature_stays_until_it_is_released(make_table, make_config):
    run = TrainingRun.start(make_table(), make_config())
    free = TrainingRun.start(make_table(), make_config())
    first = run.train_epoch().temperature
    free.train_epoch()
    run.hold_temperature(first)
    assert run.train_epoch().temperature == first
    assert free.train_epoch().temperature < first

    run.hold_temperature(None)

    assert run.next_temperature == free.next_temperature


def test_a_temperature_can_be_set_before_the_first_step(make_table, make_config):
    run = TrainingRun.start(make_table(), make_config())
    run.hold_temperature(0.25)
    assert run.train_epoch().temperature == 0.25


@pytest.mark.usefixtures("_short_search")
def test_a_search_steps_with_the_held_temperature(make_table, make_config):
    run = TrainingRun.start(make_table(), make_config(**SETTINGS["mirror"]))
    run.train_epoch()
    followed = run.next_temperature
    run.hold_temperature(0.5)
    assert run.train_epoch().temperature == 0.5
    run.hold_temperature(None)
    assert run.next_temperature not in {0.5, followed}


@pytest.mark.usefixtures("_short_search")
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("steps_later", [0, 2, 3])
def test_a_run_resumed_after_its_temperature_was_set_ends_the_same(
    make_table, make_config, tmp_path, name, steps_later
):
    config = make_config(**SETTINGS[name])
    run = TrainingRun.start(make_table(), config)
    advance_to(run, (2, name == "softmax"))
    run.hold_temperature(0.7)
    advance_to(run, (run.moment[0] + steps_later, run.moment[1]))
    run.save(tmp_path / "checkpoint")
    expected = finish(run)
    torch.rand(5)

    assert finish(TrainingRun.resume(make_table(), config, tmp_path / "checkpoint")) == expected
    assert finish(TrainingRun.start(make_table(), config)) != expected


@pytest.mark.usefixtures("_short_search")
def test_a_search_that_is_told_to_finish_is_followed_by_one_epoch(make_table, make_config):
    run = TrainingRun.start(make_table(), make_config(**SETTINGS["mirror"]))
    advance_to(run, (5, False))
    run.finish()
    assert not run.is_finished
    run.train_epoch()
    assert (run.epoch, run.moment) == (0, (12, True))
    run.train_epoch()
    assert run.is_finished
    assert run.epoch == 1
