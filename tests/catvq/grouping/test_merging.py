import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest
import torch

from catvq.errors import ConfigError
from catvq.grouping.merging import join_cheapest, joins_due
from catvq.model.assignment import CategoryAssignment
from catvq.training.run import TrainingRun


@pytest.mark.parametrize(
    ("surplus", "freeze_epoch", "expected"),
    [
        (0, 4, [0, 0, 0, 0, 0]),
        (1, 4, [0, 0, 1, 1, 1]),
        (3, 4, [0, 1, 2, 3, 3]),
        (8, 3, [0, 3, 6, 8]),
        (2, 0, [0]),
    ],
)
def test_categories_go_at_equal_intervals_and_all_before_the_freeze(surplus, freeze_epoch, expected):
    due = [joins_due(epoch, surplus=surplus, freeze_epoch=freeze_epoch) for epoch in range(freeze_epoch + 1)]
    assert due == expected


def test_the_two_halves_of_one_category_become_one():
    covariance = np.eye(7)
    covariance[:4, :4] += 2.0
    covariance[4:, 4:] += 2.0
    grouping = torch.tensor([0, 0, 0, 2, 1, 1, 1])
    assignment = CategoryAssignment(4.0 * torch.eye(3)[grouping], temperature=0.7)
    before = assignment.soft()

    gone, into = join_cheapest(assignment, covariance, bits_per_feature=1.0)

    assert (gone, into) == (2, 0)
    assert assignment.allowed.tolist() == [[True, True, False]] * 7
    expected = torch.stack([before[:, 0] + before[:, 2], before[:, 1], torch.zeros(7)], dim=1)
    assert torch.allclose(assignment.soft(), expected, atol=1e-6)


def test_an_empty_category_goes_first_and_never_twice():
    covariance = np.eye(4) + 0.5
    assignment = CategoryAssignment(4.0 * torch.eye(4)[torch.tensor([0, 0, 3, 3])])

    gone = [join_cheapest(assignment, covariance, bits_per_feature=1.0)[0] for _ in range(2)]

    assert sorted(gone) == [1, 2]


@pytest.fixture(scope="module")
def surplus_run(train, make_config):
    """Two categories more than the three planted ones, over nine soft epochs."""
    settings = {"surplus_categories": 2, "freeze_after_epochs": 9}
    return train(config=make_config(assignment=settings, training={"epochs": 10}))


def test_a_run_begins_with_the_surplus_and_ends_without_it(surplus_run):
    joins = surplus_run.state().joins
    frozen = surplus_run.freeze()

    assert len(surplus_run.category_names) == 5
    assert [join.epoch for join in joins] == [3, 6]
    assert frozen.categories == tuple(
        name for name in surplus_run.category_names if name not in {join.category for join in joins}
    )
    sizes = [len(category["features"]) for category in frozen.grouping["categories"]]
    assert (min(sizes) > 0, sum(sizes)) == (True, 9)
    assert frozen.report["joined"] == [dataclasses.asdict(join) for join in joins]
    assert frozen.report["pruned"] == sorted(join.category for join in joins)
    assert np.allclose(frozen.soft.sum(axis=1), 1, atol=1e-6)


def test_a_joined_category_is_no_collapse(surplus_run):
    assert [each for each in surplus_run.state().collapses if each.kind == "empty"] == []


def test_the_temperature_goes_on_as_it_would(surplus_run, make_table, make_config):
    plain = TrainingRun.start(
        make_table(), make_config(assignment={"freeze_after_epochs": 9}, training={"epochs": 10})
    )
    while not plain.is_finished:
        plain.train_epoch()

    assert surplus_run.state().temperature == plain.state().temperature


def test_nobody_has_a_share_in_a_category_that_is_gone(make_table, make_config):
    run = TrainingRun.start(make_table(), make_config(assignment={"surplus_categories": 2}))
    shares = []
    while not run.is_finished:
        run.train_epoch()
        shares.append(run.soft_assignment()[:, [int(j.category[-1]) for j in run.state().joins]].sum())

    assert shares == [0.0] * 4
    counts = [0, *(sum(j.epoch <= epoch for j in run.state().joins) for epoch in (1, 2))]
    assert counts == sorted(counts)
    assert counts[-1] == 2


@pytest.mark.parametrize("assignment", [{"mode": "static"}, {"freeze_after_epochs": 0}])
def test_an_assignment_that_is_never_soft_joins_at_once(train, make_config, assignment):
    run = train(config=make_config(assignment={"surplus_categories": 2} | assignment))

    assert [join.epoch for join in run.state().joins] == [0, 0]
    assert len(run.freeze().categories) == 3


def test_a_run_that_is_told_to_finish_joins_what_is_left(make_table, make_config, tmp_path):
    run = TrainingRun.start(
        make_table(), make_config(assignment={"surplus_categories": 3}, training={"epochs": 20})
    )
    run.train_epoch()
    run.finish()

    assert len(run.freeze().categories) == 3
    run.save(tmp_path / "checkpoint")
    resumed = TrainingRun.resume(make_table(), run.config, tmp_path / "checkpoint")
    assert json.dumps(resumed.freeze().report) == json.dumps(run.freeze().report)


def test_an_assignment_settles_only_once_the_surplus_is_gone(train, make_config):
    settings = {
        "surplus_categories": 1,
        "freeze_when_settled": True,
        "freeze_after_epochs": 14,
        "temperature_start": 0.1,
    }
    state = train(config=make_config(assignment=settings, training={"epochs": 15})).state()

    assert [join.epoch for join in state.joins] == [7]
    assert state.settled_epoch == 12


@pytest.mark.parametrize("init", ["random", "clustering", "dependence"])
def test_a_number_that_is_found_is_exceeded_by_the_surplus(make_table, make_config, init):
    names = [
        TrainingRun.start(
            make_table(),
            make_config(
                model={"categories": "auto"}, assignment={"surplus_categories": surplus, "init": init}
            ),
        ).category_names
        for surplus in (0, 1, 3)
    ]

    assert [len(more) - len(fewer) for fewer, more in pairwise(names)] == [1, 2]


@pytest.mark.parametrize(
    ("model", "assignment"),
    [
        ({}, {"per_family": True}),
        ({"categories": {f"family{i}": 1 for i in range(3)}}, {}),
        ({}, {"init": "user", "groups": {"a": tuple(f"f{i}" for i in range(9))}}),
    ],
)
def test_a_surplus_needs_a_start_that_groups_all_features(make_table, make_config, model, assignment):
    with pytest.raises(ConfigError, match="surplus"):
        TrainingRun.start(
            make_table(), make_config(model=model, assignment={"surplus_categories": 1} | assignment)
        )
