"""Runs whose sets of features stay in one category, from the start to the frozen model."""

import numpy as np
import pytest

from catvq.errors import ConfigError
from catvq.model.assignment import ESTIMATORS
from catvq.training.run import TrainingRun

TOGETHER = [["f0", "f3", "f8"], ["f5", "f7"]]
SETS = [[0, 3, 8], [5, 7]]


def are_together(soft):
    return all((soft[members] == soft[members[0]]).all() for members in SETS)


def edit(values):
    values[:, 3] = 7.0  # constant
    values[:, 5] = 2 * values[:, 4]  # repeats a feature that is in no set


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_set_has_one_row_in_every_epoch_and_in_the_frozen_model(make_table, make_config, estimator):
    config = make_config(
        assignment={"estimator": estimator, "together": TOGETHER, "freeze_after_epochs": 2, "init": "random"},
        training={"epochs": 3},
    )
    run = TrainingRun.start(make_table(edit=edit), config)
    assert are_together(run.soft_assignment())
    before = run.soft_assignment()
    run.train_epoch()
    assert are_together(run.soft_assignment())
    assert not np.array_equal(run.soft_assignment(), before)
    while not run.is_finished:
        run.train_epoch()

    grouping = [feature["category"] for feature in run.freeze().grouping["features"]]

    assert all(len({grouping[member] for member in members}) == 1 for members in SETS)


@pytest.mark.usefixtures("_short_search")
def test_the_search_keeps_sets_together_and_a_checkpoint_remembers_them(make_table, make_config, tmp_path):
    config = make_config(assignment={"estimator": "mirror", "init": "clustering", "together": TOGETHER})
    run = TrainingRun.start(make_table(edit=edit), config)
    run.train_epoch()
    assert run._search is not None
    assert are_together(run.soft_assignment())
    run.save(tmp_path / "checkpoint")
    resumed = TrainingRun.resume(run.table, config, tmp_path / "checkpoint")
    for each in (run, resumed):
        while each.epoch < 1:
            each.train_epoch()
    assert are_together(resumed.soft_assignment())
    assert np.array_equal(resumed.soft_assignment(), run.soft_assignment())


def test_an_automatic_number_of_categories_counts_none_that_a_set_has_left(make_table, make_config):
    together = [["f0", "f1", "f2", "f3", "f4", "f5"]]
    config = make_config(
        model={"categories": "auto"}, assignment={"init": "clustering", "together": together}
    )
    run = TrainingRun.start(make_table(), config)
    assert len(np.unique(run.soft_assignment().argmax(axis=1))) == len(run.category_names)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ({"per_family": True, "together": [["f0", "f3"]]}, "families"),
        ({"init": "user", "groups": {"x": ["f0"], "y": [f"f{i}" for i in range(1, 9)]}}, "groups"),
    ],
)
def test_sets_that_the_start_would_tear_apart_are_refused(make_table, make_config, assignment, said):
    with pytest.raises(ConfigError, match=said):
        TrainingRun.start(make_table(), make_config(assignment={"together": [["f0", "f3"]]} | assignment))
