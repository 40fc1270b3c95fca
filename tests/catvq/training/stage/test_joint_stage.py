import itertools
from itertools import pairwise

import numpy as np
import pytest
import torch

from catvq.errors import Interrupted
from catvq.model.losses import LOSS_NAMES
from catvq.training.run import TrainingRun
from catvq.training.stage.joint_stage import QUIET_EPOCHS


def test_losses_are_means_over_the_epochs_steps(make_table, make_config):
    run = TrainingRun.start(make_table(), make_config())
    learner, seen = run._training._learner, []
    step = learner.step
    learner.step = lambda *args, **kwargs: seen.append(step(*args, **kwargs)) or seen[-1]

    for _ in range(2):
        seen.clear()
        losses = run.train_epoch().losses

        means = torch.stack(seen).mean(dim=0).tolist()
        assert [losses[name] for name in LOSS_NAMES] == pytest.approx(means, rel=1e-6)


def test_an_epoch_sees_no_row_twice_and_no_held_out_row(make_table, make_config):
    run = TrainingRun.start(
        make_table(rows=65),
        make_config(assignment={"estimator": "softmax", "init": "random"}, training={"epochs": 20}),
    )
    run.train_epoch()  # which starts the model from rows of its own choice
    smoother, seen = run._training._smoother, []
    draw = smoother.draw
    smoother.draw = lambda rows, spread: seen.append(rows) or draw(rows, spread)

    run.train_epoch()
    first = torch.cat(seen)
    seen.clear()
    run.train_epoch()
    second = torch.cat(seen)

    for epoch in (first, second):  # places among the training rows, each drawn around as often as the others
        assert epoch.max() < len(run._data.split.train) == 53
        counts = epoch.bincount()
        assert (counts > 0).sum() == 48
        assert counts[counts > 0].unique().numel() == 1
    assert not torch.equal(first, second)


@pytest.mark.parametrize("mode", ["learnable", "static"])
def test_a_start_that_is_interrupted_anywhere_changes_nothing(make_table, make_config, mode):
    config = make_config(assignment={"mode": mode}, training={"epochs": 1})
    asked = itertools.count()
    undisturbed = TrainingRun.start(make_table(), config)
    undisturbed.train_epoch(lambda: next(asked) < 0)
    times = next(asked) - undisturbed._training.steps_per_epoch
    disturbed = TrainingRun.start(make_table(), config)
    for last in (1, times // 3, times // 2, times - 1):
        left = iter(range(last))
        with pytest.raises(Interrupted):
            disturbed.train_epoch(lambda left=left: next(left, None) is None)
        assert disturbed._training.step == 0
    disturbed.train_epoch()

    assert disturbed.freeze().digest == undisturbed.freeze().digest


@pytest.mark.parametrize(
    ("stages", "moved"),
    [("together", [1, 1, 1, 1, 0]), ("model_first", [0, 1, 1, 1, 0]), ("in_turn", [0, 1, 0, 1, 0])],
)
def test_the_logits_move_in_their_stages_only(make_table, make_config, stages, moved):
    config = make_config(assignment={"stages": stages, "freeze_after_epochs": 4}, training={"epochs": 5})
    run = TrainingRun.start(make_table(), config)
    found = []
    for _ in moved:
        learner = run._training._learner
        model, logits = learner.model.decoder.output.weight.clone(), learner.assignment.logits.clone()
        run.train_epoch()
        found.append(not torch.equal(learner.assignment.logits, logits))
        rests = stages == "in_turn" and found[-1]
        assert torch.equal(learner.model.decoder.output.weight, model) == rests

    assert found == moved


@pytest.mark.parametrize(("freeze", "hard_from"), [(0, 0), (1, 1), (2, 2), ("auto", 2), (9, 4), (None, 4)])
def test_the_assignment_is_hard_from_the_asked_epoch_on_and_stays_as_it_was(
    make_table, make_config, freeze, hard_from
):
    config = make_config(assignment={"freeze_after_epochs": freeze})
    run = TrainingRun.start(make_table(), config)
    history = [run.soft_assignment()]
    for epoch in range(4):
        assert (run._training._learner.hard_routing is not None) == (epoch >= hard_from)
        run.train_epoch()
        history.append(run.soft_assignment())

    for earlier, later in pairwise(history[: hard_from + 1]):
        assert not np.array_equal(earlier, later)
    assert all(np.array_equal(soft, history[hard_from]) for soft in history[hard_from:])
    assert run._training._learner.hard_routing is not None


@pytest.mark.parametrize(
    ("temperature", "wanted", "settled_epoch"),
    [(0.1, True, QUIET_EPOCHS), (0.1, False, None), (1.0, True, None)],
)
def test_an_assignment_that_has_settled_is_hardened_ahead_of_time(
    train, make_config, temperature, wanted, settled_epoch
):
    settings = {
        "temperature_start": temperature,
        "temperature_schedule": "constant",
        "freeze_when_settled": wanted,
        "freeze_after_epochs": 7,
    }
    run = train(config=make_config(assignment=settings, training={"epochs": 8}))

    report = run.freeze().report
    assert report["training"]["settled_epoch"] == run.state().settled_epoch == settled_epoch
    assert report["soft_to_hard_gap"]["epoch"] == (settled_epoch or 7)


def test_a_feature_that_moves_keeps_the_assignment_soft(make_table, make_config):
    settings = {"temperature_start": 0.1, "freeze_when_settled": True, "freeze_after_epochs": None}
    run = TrainingRun.start(make_table(), make_config(assignment=settings, training={"epochs": 12}))
    for _ in range(QUIET_EPOCHS - 1):
        run.train_epoch()
    with torch.no_grad():
        logits = run._training._learner.assignment.logits
        logits[0] = logits[0].roll(1)
    while not run.is_finished:
        run.train_epoch()

    assert run.state().settled_epoch == 2 * QUIET_EPOCHS


def test_hardening_is_measured_where_it_happens(train, make_config):
    gap = train(config=make_config(assignment={"freeze_after_epochs": 3})).freeze().report["soft_to_hard_gap"]

    assert (gap["rows"], gap["epoch"]) == ("validation", 3)
    assert gap["gap"] == gap["hard_error"] - gap["soft_error"]


def test_static_and_learnable_runs_start_from_the_same_model(make_table, make_config):
    """So that they are compared on what differs: who chose the groups."""
    runs = [
        TrainingRun.start(make_table(), make_config(assignment={"mode": mode}))
        for mode in ("static", "learnable")
    ]

    states = [run._training._learner.model.state_dict() for run in runs]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.parametrize("freeze_after", ["auto", None])
def test_a_learnable_run_that_moves_nothing_ends_with_the_model_of_a_static_one(
    train, make_config, freeze_after
):
    groups = {"x": ("f0", "f3", "f6"), "y": ("f1", "f4", "f7"), "z": ("f2", "f5", "f8")}
    shared = {"init": "user", "groups": groups, "freeze_after_epochs": freeze_after}
    training = {"epochs": 12, "dead_code_interval_epochs": 3}
    learnable, static = (
        train(config=make_config(assignment=shared | each, training=training))
        for each in ({"estimator": "gumbel", "assignment_lr": 1e-6}, {"mode": "static"})
    )

    assert learnable.state().moves == []
    assert learnable.state().temperature is not None
    assert learnable.state().best_epoch == static.state().best_epoch
    assert learnable.freeze().encoder == static.freeze().encoder
    assert learnable.freeze().decoder == static.freeze().decoder


def test_once_a_feature_has_moved_the_model_starts_in_the_final_grouping(make_table, make_config):
    run = TrainingRun.start(make_table(), make_config(training={"epochs": 10}))
    run.train_epoch()
    assert run.state().best_epoch is not None
    with torch.no_grad():
        logits = run._training._learner.assignment.logits
        logits[0] = 100 * logits[0].roll(1)
    run.train_epoch()

    assert run.state().best_epoch is None
    assert run._training._successor is None
    while not run._progress.is_hardened:
        run.train_epoch()
    assert run.state().best_epoch == 4


def test_without_validation_rows_the_gap_is_measured_on_training_rows(train, make_config):
    run = train(config=make_config(training={"validation_fraction": 0.0, "test_fraction": 0.0}))

    assert run.state().losses["validation"] is None
    report = run.freeze().report
    assert report["soft_to_hard_gap"]["rows"] == "train"
    assert report["reconstruction_error"]["validation"] is None
    assert report["reconstruction_error"]["train"] > 0


@pytest.mark.parametrize(
    ("update", "freeze", "expected"),
    [
        ("epoch", 4, [1.0, 0.7, 0.4, 0.1]),
        ("epoch", 2, [1.0, 0.1, 0.1, 0.1]),
        ("epoch", 1, [1.0, 1.0, 1.0, 1.0]),
        ("step", 4, [1 - 0.9 * step / 11 for step in (2, 5, 8, 11)]),
        ("step", 1, [0.1, 0.1, 0.1, 0.1]),
    ],
)
def test_the_temperature_ends_with_the_last_learnt_epoch(make_table, make_config, update, freeze, expected):
    settings = {
        "temperature_start": 1.0,
        "temperature_end": 0.1,
        "temperature_schedule": "linear",
        "temperature_update": update,
        "freeze_after_epochs": freeze,
    }
    run = TrainingRun.start(make_table(), make_config(assignment=settings))

    found = [run.train_epoch().temperature for _ in range(4)]

    assert found == pytest.approx(expected)


def test_dead_codes_are_revived_when_due_but_not_at_the_end(make_table, make_config):
    config = make_config(
        assignment={"freeze_after_epochs": None}, training={"epochs": 10, "dead_code_interval_epochs": 3}
    )
    run = TrainingRun.start(make_table(), config)
    learner, revived = run._training._learner, []
    revive = learner.revive_dead_codes
    learner.revive_dead_codes = lambda sample: revived.append(run.epoch) or revive(sample)

    while not run.is_finished:
        run.train_epoch()

    assert revived == [3, 6]  # not after 9 of 10 epochs


def test_usage_is_counted_over_the_epoch_and_not_over_its_last_batch(make_table, make_config):
    run = TrainingRun.start(make_table(), make_config(training={"dead_code_interval_epochs": 100}))
    books, counted = run._training.model.codebooks, []
    count = books.count
    books.count = lambda counts: counted.append(counts) or count(counts)

    state = run.train_epoch()

    used = (torch.stack(counted).sum(dim=0) > 0).sum() / books.code_mask.sum()
    assert state.codebook.usage == pytest.approx(used.item())
    assert (books.usage_counts == 0).all()


@pytest.mark.parametrize(
    ("epochs", "wanted", "is_stopped"),
    [("auto", "auto", True), (40, "auto", False), (40, True, True), ("auto", False, False)],
)
def test_a_run_stops_early_where_that_is_asked_for(make_table, make_config, epochs, wanted, is_stopped):
    config = make_config(training={"epochs": epochs, "early_stopping": wanted})
    run = TrainingRun.start(make_table(), config)
    run.train_epoch()
    run._progress.best_epoch, run._progress.best_error = 1, 0.0  # no later one will be better
    while not run.is_finished:
        run.train_epoch()

    assert (run.epoch < run._epochs) == is_stopped
    assert run._progress.best_epoch == 1


def test_a_patience_ends_what_would_be_soft_to_the_end(make_table, make_config):
    training = {"epochs": 30, "early_stopping_patience": 4, "early_stopping_min_delta": 100.0}
    config = make_config(training=training, assignment={"freeze_after_epochs": None, "estimator": "softmax"})
    run = TrainingRun.start(make_table(), config)
    while not run.is_finished:
        run.train_epoch()

    assert run.epoch == 5  # nothing falls by so much after the first


@pytest.mark.parametrize(("least_fall", "last"), [(0.0, 12), (0.5, 9)])
def test_a_run_ends_when_its_patience_does(make_table, make_config, least_fall, last):
    training = {"epochs": 40, "early_stopping_patience": 5, "early_stopping_min_delta": least_fall}
    run = TrainingRun.start(make_table(), make_config(training=training, assignment={"mode": "static"}))
    while not run.is_finished:
        run._progress.best_epoch, run._progress.best_error = 4, -10.0
        if run.epoch >= 6:
            run._progress.best_epoch, run._progress.best_error = 7, -10.1
        run.train_epoch()

    assert run.epoch == last
