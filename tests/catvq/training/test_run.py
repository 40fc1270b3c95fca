import itertools
import math

import numpy as np
import pytest
import torch

from catvq.errors import ConfigError, Interrupted
from catvq.features.table import FeatureTable
from catvq.model.assignment import ESTIMATORS as ASSIGNMENT_ESTIMATORS
from catvq.model.losses import LOSS_NAMES
from catvq.training.run import TrainingRun

ESTIMATORS = ["mirror", *ASSIGNMENT_ESTIMATORS]


def families_kept_apart(soft, table, names):
    family_of_category = [int(name[len("family") :].split("_")[0]) for name in names]
    across = table.family_of_feature()[:, None] != np.array(family_of_category)[None, :]
    return (soft[across] == 0).all()


@pytest.mark.usefixtures("_short_search")
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_same_seed_gives_the_same_run_bit_for_bit_and_another_does_not(train, make_config, estimator):
    first, again, other = (
        train(config=make_config(assignment={"estimator": estimator}, training={"seed": seed}))
        for seed in (3, 3, 4)
    )

    assert np.array_equal(first.soft_assignment(), again.soft_assignment())
    assert first.freeze().digest == again.freeze().digest
    assert first.state().losses == again.state().losses
    assert not np.array_equal(first.soft_assignment(), other.soft_assignment())


@pytest.mark.usefixtures("_short_search")
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_run_neither_reads_nor_moves_the_callers_random_state(train, make_config, estimator):
    config = make_config(assignment={"estimator": estimator})
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = train(config=config)
    assert torch.equal(torch.get_rng_state(), before)

    torch.manual_seed(2)

    assert train(config=config).freeze().digest == first.freeze().digest


@pytest.mark.usefixtures("_short_search")
@pytest.mark.parametrize("per_family", [False, True])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_rows_of_the_assignment_sum_to_one_at_every_epoch(make_table, make_config, estimator, per_family):
    def edit(values):
        values[:, 4] = 1.0
        values[:, 2] = values[:, 1]

    table = make_table(edit=edit)
    config = make_config(
        model={"categories": 5}, assignment={"estimator": estimator, "per_family": per_family}
    )
    run = TrainingRun.start(table, config)

    while not run.is_finished:
        soft = run.soft_assignment()
        assert soft.shape == (9, 5)
        assert soft.dtype == np.float32
        assert np.allclose(soft.sum(axis=1), 1, atol=1e-6)
        assert np.array_equal(soft[2], soft[1])
        assert not per_family or families_kept_apart(soft, table, run.category_names)
        run.train_epoch()


def test_a_state_counts_epochs_and_steps_and_names_every_loss(make_table, make_config):
    run = TrainingRun.start(make_table(), make_config())  # 48 training rows, 16 a batch
    before = run.state()
    assert (before.epoch, before.epochs, before.step, before.steps) == (0, 4, 0, 12)
    assert before.temperature is before.codebook is None
    assert before.losses == {}

    after = run.train_epoch()

    assert (after.epoch, after.step, run.epoch) == (1, 3, 1)
    assert list(after.losses) == [*LOSS_NAMES, "validation"]
    assert all(math.isfinite(value) for value in after.losses.values())
    assert after.temperature == 1.0
    assert after.codebook.perplexity >= 1
    assert 0 < after.codebook.usage <= 1


def test_a_run_learns_to_reconstruct(train, make_config):
    run = train(
        config=make_config(
            training={"epochs": 60, "learning_rate": 0.01}, model={"dropout": 0.0, "codebook_size": 16}
        )
    )

    assert run.state().losses["reconstruction"] < 0.6


def test_the_frozen_grouping_is_the_most_probable_category_when_hardened(train):
    run = train()
    soft = run.soft_assignment()

    frozen = run.freeze()

    assert [entry["category"] for entry in frozen.grouping["features"]] == soft.argmax(axis=1).tolist()
    assert np.array_equal(frozen.soft, soft)


def test_a_static_run_keeps_its_groups_and_has_no_temperature(train, make_config, make_table):
    groups = {"x": ("f0", "f3", "f6"), "y": ("f1", "f4", "f7"), "z": ("f2", "f5", "f8")}
    run = train(config=make_config(assignment={"mode": "static", "init": "user", "groups": groups}))

    assert np.array_equal(run.soft_assignment(), np.eye(3)[[0, 1, 2] * 3])
    assert run.state().temperature is None
    assert run.state().assignment.entropy == 0
    report = run.freeze().report
    assert report["soft_to_hard_gap"] is None
    assert report["losses"]["assignment_balance"] == 0


def test_given_groups_of_another_model_are_the_start(make_table, make_config):
    groups = {"x": tuple(f"f{i}" for i in range(0, 9, 2)), "y": tuple(f"f{i}" for i in range(1, 9, 2))}
    config = make_config(model={"categories": "auto"}, assignment={"init": "model", "model": "some"})

    run = TrainingRun.start(make_table(), config, groups)

    assert run.category_names == ["x", "y"]
    assert run.soft_assignment().argmax(axis=1).tolist() == [0, 1] * 4 + [0]


def test_a_run_ends_after_the_step_in_which_its_time_is_up(make_table, make_config):
    def count_looks(run):
        looks = itertools.count()
        run.train_epoch(should_stop=lambda: next(looks) < 0)
        return next(looks)

    run = TrainingRun.start(make_table(), make_config(training={"max_seconds": 1e-6}))
    whole = TrainingRun.start(make_table(), make_config())
    assert not run.is_finished

    looks = count_looks(run)

    assert run.is_finished
    assert run.epoch == 1
    assert looks == count_looks(whole) - 2  # of three steps
    assert run.state().losses["total"] > 0
    assert run.freeze().report["training"]["epochs"] == 1


@pytest.mark.usefixtures("_short_search")
def test_a_search_ends_when_its_time_is_up(make_table, make_config):
    config = make_config(assignment={"estimator": "mirror"}, training={"max_seconds": 1e-6})
    run = TrainingRun.start(make_table(), config)

    states = [run.train_epoch() for _ in range(3)]

    assert [state.step for state in states] == [4, 12, 15]  # what is left of the search is left out
    assert [state.epoch for state in states] == [0, 0, 1]  # the model has to learn something
    assert run.is_finished
    assert run.freeze().report["search"] is not None


def test_a_run_that_is_told_to_finish_can_be_frozen_at_once(make_table, make_config):
    run = TrainingRun.start(make_table(), make_config())
    run.train_epoch()

    run.finish()

    assert run.is_finished
    assert run.freeze().report["soft_to_hard_gap"]["epoch"] == 1


@pytest.mark.usefixtures("_short_search")
def test_a_search_comes_before_the_first_epoch_and_counts_its_steps(make_table, make_config):
    run = TrainingRun.start(make_table(), make_config(assignment={"estimator": "mirror"}))
    before = run.state()
    assert (before.step, before.steps, before.temperature) == (0, 12 + 12, None)

    states = [run.train_epoch() for _ in range(3)]

    assert [state.step for state in states] == [4, 8, 12]
    assert [state.epoch for state in states] == [0, 0, 0]
    assert states[0].temperature > 0
    assert states[0].losses == {}
    assert run.train_epoch().step == 15
    assert run.epoch == 1


@pytest.mark.usefixtures("_short_search")
@pytest.mark.parametrize("chunks", [0, 1, 2, 3])
def test_a_run_that_is_told_to_finish_in_its_search_freezes_what_was_found_so_far(
    make_table, make_config, chunks
):
    config = make_config(assignment={"estimator": "mirror", "init": "random"})
    run = TrainingRun.start(make_table(), config)
    for _ in range(chunks):
        run.train_epoch()
    run.finish()

    frozen = run.freeze()

    grouping = frozen.soft.argmax(axis=1)
    assert run.soft_assignment().argmax(axis=1).tolist() == grouping.tolist()
    for category, index in enumerate(frozen.weights.index.tolist()):
        members = np.flatnonzero(grouping == category).tolist()
        assert index[: len(members)] == members


def test_no_search_is_made_where_no_feature_has_a_choice(make_table, make_config):
    settings = {"estimator": "mirror", "per_family": True}
    config = make_config(model={"categories": 3}, assignment=settings)

    state = TrainingRun.start(make_table(), config).train_epoch()

    assert (state.epoch, state.step) == (1, 3)


def test_an_interrupted_epoch_stops_before_the_next_step(make_table, make_config):
    run = TrainingRun.start(make_table(), make_config())
    run.train_epoch()
    answers = iter([False, False, True])

    with pytest.raises(Interrupted, match="epoch 2, before step 6"):
        run.train_epoch(lambda: next(answers))

    assert (run.epoch, run.state().step) == (1, 5)
    run.train_epoch()
    assert run.state().step == 6


def test_a_memory_mapped_table_trains_like_one_in_memory(train, make_table, tmp_path):
    table = make_table()
    np.save(tmp_path / "values.npy", table.values)
    mapped = FeatureTable(np.load(tmp_path / "values.npy", mmap_mode="r"), table.features, table.families)

    assert train(mapped).freeze().digest == train(table).freeze().digest


def test_a_table_without_any_varying_feature_is_refused(make_config):
    table = FeatureTable(np.ones((20, 2), np.float32), ("a", "b"), {"all": ("a", "b")})

    with pytest.raises(ConfigError, match="nothing to learn"):
        TrainingRun.start(table, make_config())


def test_too_few_rows_are_refused(make_table, make_config):
    with pytest.raises(ConfigError, match="9 rows"):
        TrainingRun.start(make_table(rows=9), make_config())


def test_features_that_move_are_named_with_where_from_where_to_and_when(make_table, make_config, train):
    table = make_table(rows=300)
    groups = {"a": ("f0", "f1", "f3"), "b": ("f2", "f4", "f5"), "c": ("f6", "f7", "f8")}
    assignment = {"init": "user", "groups": groups, "estimator": "mirror"}

    run = train(table, make_config(assignment=assignment), groups)

    moves = {(move.feature, move.category, move.into) for move in run.state().moves if move.epoch == 0}
    assert moves == {("f3", "a", "b"), ("f2", "b", "a")}
    report = run.freeze().report
    assert [
        tuple(each[key] for key in ("name", "from", "to", "epoch")) for each in report["moved_features"]
    ] == [(move.feature, move.category, move.into, move.epoch) for move in run.state().moves]
    assert report["start"]["grouping"] == {name: list(members) for name, members in groups.items()}


def test_a_start_that_stays_moves_nothing(train):
    run = train()

    assert run.state().moves == []
    report = run.freeze().report
    assert report["moved_features"] == []
    assert sorted(itertools.chain(*report["start"]["grouping"].values())) == [
        f"f{index}" for index in range(9)
    ]
