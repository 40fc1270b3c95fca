"""Rows of other datasets may validate and test."""

import pytest
from pydantic import ValidationError

from app.requests.jobs.dry_run import InvalidPlanError, resolve_plan
from tests.app.requests.jobs.plain_dataset import FEATURES, dataset
from worker.contract.job_config import JobRequest


def configuration(**sections):
    return JobRequest(dataset="ds_1", **sections).config


CITIES = [("a0", "categorical", ["Ulm", "Bonn"]), ("a1", "datetime", "2026-01-31")]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"features": FEATURES[:-1]}, "no feature 'b1'"),
        ({}, "'a0' is categorical in the job's dataset and numeric"),
        ({"columns": [("a0", "categorical", ["Ulm", "Rome"])]}, "'a0' has values here .* 'Rome'"),
        ({"columns": [*CITIES[:1], ("a1", "datetime", "10:00:00")]}, "'a1' is datetime .* a time of day"),
        ({"columns": CITIES, "key": "ds_1"}, "'ds_1' is used already"),
    ],
)
def test_a_dataset_that_cannot_test_is_refused_by_the_name_of_the_feature(other, named):
    config = configuration(training={"split": {"test": "ds_2"}})
    with pytest.raises(InvalidPlanError, match=named) as raised:
        resolve_plan(config, dataset(columns=CITIES), held_out={"test": dataset(**({"key": "ds_2"} | other))})
    assert {error.field for error in raised.value.errors} == {"training.split.test"}


def test_a_dataset_for_both_parts_is_refused_once_for_what_is_wrong_with_it():
    config = configuration(training={"split": {"validation": "ds_2", "test": "ds_2"}})
    other = dataset(30, key="ds_2", columns=[("a0", "datetime", "2025-12-01")])
    with pytest.raises(InvalidPlanError) as raised:
        resolve_plan(config, dataset(), held_out={"validation": other, "test": other})
    assert [(error.field, error.message.split(" ")[-1]) for error in raised.value.errors] == [
        ("training.split.validation", "one"),  # a0 is numeric in the one and datetime in this one
        ("training.split.test", "test"),  # rows that validate cannot test
    ]


def test_rows_of_other_datasets_leave_the_job_s_own_to_training():
    config = configuration(training={"split": {"test": "ds_2"}})
    times = ("a1", "datetime", "2025-12-01")
    other = dataset(30, key="ds_2", columns=[("a0", "categorical", ["Bonn"]), times])

    plan = resolve_plan(config, dataset(columns=CITIES), held_out={"test": other})

    assert (plan.rows.train, plan.rows.validation, plan.rows.test) == (90, 10, 30)


@pytest.mark.parametrize(
    "training",
    [{"split": {}}, {"split": {"test": "ds_2"}, "split_by": "who"}, {"split": {"train": "ds_2"}}],
)
def test_a_split_that_says_nothing_or_too_much_is_refused(training):
    with pytest.raises(ValidationError):
        configuration(training=training)
