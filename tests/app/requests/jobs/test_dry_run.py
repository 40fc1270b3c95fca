from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from app.requests.jobs.dry_run import FieldError, InvalidPlanError, resolve_plan
from app.requests.jobs.estimate import BYTES_PER_ROW, RANK_BYTES
from catvq.features.table import FeatureTable
from catvq.training.run import TrainingRun
from tests.app.requests.jobs.plain_dataset import FAMILIES, FEATURES, dataset
from worker.contract.job_config import JobRequest


def configuration(**sections):
    return JobRequest(dataset="ds_1", **sections).config


def resolve(rows=100, start_groups=None, devices=("cpu",), **sections):
    config = configuration(**sections)
    return resolve_plan(config, dataset(rows), start_groups=start_groups, devices=devices)


def errors(rows=100, start_groups=None, **sections):
    with pytest.raises(InvalidPlanError) as raised:
        resolve(rows, start_groups, **sections)
    return raised.value.errors


def fields(*args, **sections):
    return [error.field for error in errors(*args, **sections)]


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"assignment": {"init": "clustering"}},
        {"assignment": {"init": "clustering", "freeze_after_epochs": 0}},
        {"assignment": {"init": "clustering", "mode": "static"}},
        {"assignment": {"estimator": "softmax"}},
        {"assignment": {"init": "clustering", "per_family": True}},
        {"model": {"categories": 1}},
        {"model": {"categories": 1}, "assignment": {"init": "clustering", "surplus_categories": 1}},
        {"model": {"categories": {"a": 2, "b": 1}}},
        {"model": {"categories": {"a": 1, "b": 1}}},
    ],
)
def test_a_run_takes_as_many_steps_as_planned(sections):
    values = np.random.default_rng(0).normal(size=(100, len(FEATURES))).astype(np.float32)
    families = {name: tuple(members) for name, members in FAMILIES.items()}
    table = FeatureTable(values, tuple(FEATURES), families)
    run = TrainingRun.start(table, configuration(**sections))
    assert resolve(**sections).steps == run.state().steps


def test_what_needs_the_data_stays_auto():
    config = resolve().config
    model = config["model"]
    assert (model["categories"], model["codebook_size"], model["latent_dim"]) == ("auto", "auto", "auto")
    assert config["assignment"]["init"] == "auto"


def test_given_values_are_kept():
    planned = resolve(
        assignment={"temperature_start": 2.0, "temperature_schedule": "linear", "assignment_lr": 0.5},
        training={"batch_size": 10, "epochs": 3},
    )
    assignment = planned.config["assignment"]
    assert (assignment["temperature_start"], assignment["temperature_schedule"]) == (2.0, "linear")
    assert (assignment["temperature_end"], assignment["assignment_lr"]) == (0.1, 0.5)
    assert (planned.steps_per_epoch, planned.search_steps, planned.steps) == (8, 0, 24)


def test_each_device_takes_the_memory_of_a_process_with_the_model():
    one, three = (resolve(training={"devices": devices, "device": "cpu"}) for devices in (1, 3))
    assert three.estimate.memory_bytes - one.estimate.memory_bytes > 2 * RANK_BYTES


def test_a_number_for_each_family_keeps_families_apart():
    assert resolve(model={"categories": {"a": 2, "b": 1}}).config["assignment"]["per_family"] is True


@pytest.mark.parametrize(
    ("devices", "expected"), [(["cpu"], "cpu"), (["cpu", "cuda:0"], "cuda"), ([], "cpu")]
)
def test_an_automatic_device_is_one_that_a_worker_has(devices, expected):
    assert resolve(devices=devices).config["training"]["device"] == expected


@pytest.mark.parametrize(
    ("sections", "field", "text"),
    [
        ({"model": {"categories": 6}}, "model.categories", "6 is more than the 5 features"),
        (
            {"model": {"categories": 1}, "assignment": {"per_family": True}},
            "model.categories",
            "fewer than the 2 that families kept apart need",
        ),
        (
            {"model": {"categories": 1}, "assignment": {"isolated_families": ["b"]}},
            "model.categories",
            "fewer than the 2 that families kept apart need",
        ),
        (
            {"assignment": {"isolated_families": ["c"]}},
            "assignment.isolated_families",
            "no family 'c'; the families are 'a', 'b'",
        ),
        ({"model": {"categories": {"a": 1, "c": 1, "b": 1}}}, "model.categories.c", "families are 'a', 'b'"),
        ({"model": {"categories": {"a": 4, "b": 1}}}, "model.categories.a", "the family's 3 features"),
        ({"model": {"categories": {"a": 1}}}, "model.categories", "no number for 'b'"),
        (
            {"model": {"categories": 4}, "assignment": {"surplus_categories": 2}},
            "model.categories",
            "6 is more than the 5 features",
        ),
        (
            {"model": {"categories": {"a": 1, "b": 1}}, "assignment": {"surplus_categories": 1}},
            "assignment.surplus_categories",
            "one number",
        ),
        ({"training": {"batch_size": 81}}, "training.batch_size", "more than the 80 training rows"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused_naming_the_field(sections, field, text):
    (error,) = errors(**sections)
    assert error.field == field
    assert text in error.message


@pytest.mark.parametrize("assignment", [{"per_family": True}, {"init": "model", "model": "model_1"}])
def test_a_surplus_needs_a_start_that_groups_all_features(assignment):
    with pytest.raises(ValidationError, match="surplus_categories"):
        configuration(assignment={"surplus_categories": 1} | assignment)


def test_too_few_rows_are_refused_after_the_split():
    assert resolve(rows=10).rows.train == 8
    assert fields(9) == ["dataset"]


def user(groups, **assignment):
    return {"init": "user", "groups": groups} | assignment


def test_groups_name_every_feature_once():
    (unknown, repeated, missing) = errors(
        assignment=user({"x": ["a0", "a1", "a1", "zz"], "y": ["b0", "b1", "a0"]})
    )
    assert unknown == FieldError("assignment.groups", "there are no features 'zz'")
    assert repeated.message == "named more than once: 'a0', 'a1'"
    assert missing.message == "in no group: 'a2'"


def test_groups_fit_the_number_of_categories_and_the_families():
    groups = {"x": ["a0", "a1", "b0"], "y": ["a2", "b1"]}
    assert fields(model={"categories": 1}, assignment=user(groups)) == ["model.categories"]
    assert fields(model={"categories": {"a": 1, "b": 1}}, assignment=user(groups)) == ["model.categories"]
    assert fields(assignment=user(groups, per_family=True)) == ["assignment.groups.x", "assignment.groups.y"]


def test_the_groups_of_a_start_model_must_be_of_the_same_features():
    assignment = {"init": "model", "model": "model_1"}
    assert resolve(start_groups={"x": FEATURES}, assignment=assignment).warnings == []
    (error,) = errors(start_groups={"x": ["other"], "y": FEATURES}, assignment=assignment)
    assert error.field == "assignment.model"


def test_every_mistake_is_reported_at_once():
    sections = {"model": {"categories": 6}, "training": {"batch_size": 81}}
    assert fields(**sections) == ["training.batch_size", "model.categories"]


@pytest.mark.parametrize(
    ("sections", "text"),
    [
        ({"training": {"validation_fraction": 0}}, "no rows are held out"),
        ({"model": {"codebook_size": 81}}, "exceeds the 80 training rows"),
        ({"assignment": {"temperature_end": 2.0}}, "temperature rises"),
        ({"assignment": {"freeze_after_epochs": 0}}, "nothing of it is learnt"),
    ],
)
def test_a_questionable_choice_is_warned_of(sections, text):
    (warning,) = resolve(**sections).warnings
    assert text in warning


def test_a_larger_run_is_estimated_to_take_more():
    small = resolve(training={"epochs": 1}).estimate
    longer = resolve(training={"epochs": 50}).estimate
    larger = resolve(rows=100_000, model={"hidden_dim": 1024}, training={"epochs": 1}).estimate
    assert small.seconds < longer.seconds < larger.seconds
    assert small.memory_bytes == longer.memory_bytes < larger.memory_bytes
    assert "cpu" in small.basis


def test_the_memory_of_a_long_table_grows_by_what_is_kept_of_each_row_not_by_its_values():
    features = [f"a{number}" for number in range(298)]
    long, longer = (
        resolve_plan(configuration(), dataset(rows, features=features)).estimate
        for rows in (10_000_000, 20_000_000)
    )

    assert longer.memory_bytes - long.memory_bytes == 10_000_000 * BYTES_PER_ROW
    assert long.memory_bytes < 3 << 30


def test_the_settings_that_drive_the_memory_are_named_the_first_most():
    wide = {"latent_dim": 512, "codebook_size": 4096, "categories": 5}
    assert list(resolve(model=wide).estimate.driven_by) == [
        *("model.levels", "model.categories", "model.latent_dim", "model.codebook_size")
    ]
    assert resolve(rows=100_000_000).estimate.driven_by == {"rows": 100_000_000}
    assert resolve().estimate.driven_by == {}


def test_a_search_is_estimated_to_take_longer():
    def seconds(**assignment):
        return resolve(assignment=assignment, model={"categories": 2}).estimate.seconds

    assert seconds(estimator="mirror") > seconds() == seconds(mode="static")


def test_a_key_to_split_by_must_be_one_of_the_dataset():
    (error,) = errors(training={"split_by": "who"})
    assert (error.field, "'who' is no key" in error.message) == ("training.split_by", True)


def test_features_that_are_left_out_count_for_nothing():
    planned = resolve(features={"include": ["a*"]}, model={"categories": 3})
    assert planned.config["features"] == {"include": ["a*"], "exclude": []}
    assert fields(features={"exclude": ["a1"]}, model={"categories": 5}) == ["model.categories"]
    assert fields(features={"include": ["nothing"]})[0] == "features"


def test_early_stopping_needs_validation_rows_and_auto_follows_epochs():
    assert fields(training={"early_stopping": True, "validation_fraction": 0.0}) == [
        "training.early_stopping"
    ]
    assert resolve().config["training"]["early_stopping"] is True
    assert resolve(training={"epochs": 7}).config["training"]["early_stopping"] is False


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        (
            {"assignment": {"together": [["a*"], ["c*"]]}},
            ("assignment.together.1", "'c*' matches no feature"),
        ),
        (
            {"assignment": {"together": [["a*"], ["a1", "b0"]]}},
            ("assignment.together.1", "in two sets: 'a1'"),
        ),
        (
            {"assignment": {"together": [["a1", "b0"]], "per_family": True}},
            ("assignment.together.0", "spans the families 'a', 'b'"),
        ),
        (
            {
                "assignment": {
                    "together": [["a0", "b0"]],
                    "init": "user",
                    "groups": {"x": ["a0", "a1"], "y": ["a2", "b0", "b1"]},
                }
            },
            ("assignment.together.0", "is spread over the groups 'x', 'y'"),
        ),
        (
            {"assignment": {"together": [["a*", "b0"]]}, "model": {"categories": 3}},
            ("model.categories", "3 is more than the 2 features that move on their own"),
        ),
    ],
)
def test_sets_that_cannot_stay_together_are_refused(sections, said):
    (error,) = errors(**sections)
    assert (error.field, said[1] in error.message) == (said[0], True)


@pytest.mark.parametrize("features", [{}, {"exclude": ["w/*"]}])
def test_cropping_needs_series_that_are_learnt_from(features):
    series = {
        "family": "w",
        "kind": "series",
        "channels": ["x"],
        "length": {"min": 1, "max": 9},
        "shape": None,
    }
    own = replace(
        dataset(features=["a0", "w/x"]),
        families={"a": ["a0"], "w": ["w/x"]},
        kinds=[series],
    )
    config = configuration(model={"series": {"crop": True}}, features=features)
    if not features:
        assert resolve_plan(config, own)
        own = dataset()
    with pytest.raises(InvalidPlanError) as raised:
        resolve_plan(config, own)
    assert [error.field for error in raised.value.errors] == ["model.series.crop"]


def test_weights_of_features_that_are_not_learnt_from_are_refused():
    (error,) = errors(cleaning={"weights": {"a*": 2.0, "b9": 3.0, "b1": 0.5}}, features={"exclude": ["b1"]})
    assert error == FieldError("cleaning.weights", "no feature that is learnt from fits 'b9', 'b1'")
    assert resolve(cleaning={"weights": {"a*": 2.0, "b1": 0.5}})
