import dataclasses
import json

import pytest

from catvq.config import AssignmentSettings, AssignmentWeights, CleaningSettings, ModelSettings, RunConfig
from catvq.errors import ConfigError
from catvq.model.assignment import ESTIMATORS

EXAMPLE = {
    "model": {
        "categories": {"a": 2, "b": 1},
        "levels": [{"codebook_size": 8}, {}],
        "compression_ratios": [0.5, 2.0],
    },
    "assignment": {"init": "user", "groups": {"x": ("f1", "f0"), "y": ["f2"]}, "estimator": "gumbel"},
    "training": {"epochs": 3, "gradient_clip_norm": None, "split": {"test": "ds_2"}},
    "cleaning": {"enabled": False},
}


def test_a_configuration_comes_back_from_plain_values_and_from_json():
    config = RunConfig.from_dict(EXAMPLE | {"features": {"exclude": ("f3",)}})

    assert RunConfig.from_dict(config.to_dict()) == config
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.assignment.groups == {"x": ["f1", "f0"], "y": ["f2"]}
    assert config.model.ratios() == [0.5, 2.0]
    assert config.training.gradient_clip_norm is None


def test_missing_sections_and_fields_take_their_defaults():
    assert RunConfig.from_dict({}) == RunConfig()
    assert RunConfig.from_dict({"training": {"epochs": 7}}).training == dataclasses.replace(
        RunConfig().training, epochs=7
    )


def test_unknown_sections_and_fields_are_refused_by_name():
    with pytest.raises(ConfigError, match=r"model\.depth, model\.levels\.size, network, training\.rate"):
        RunConfig.from_dict(
            {"model": {"depth": 3, "levels": [{"size": 2}]}, "training": {"rate": 1}, "network": {}}
        )


def test_every_level_sees_its_whole_category_unless_ratios_were_given():
    assert ModelSettings(levels=3).ratios() == [1.0, 1.0, 1.0]
    assert ModelSettings(levels=2, compression_ratios=[0.5, 1.5]).ratios() == [0.5, 1.5]


def test_ratios_that_are_not_one_per_level_are_refused():
    with pytest.raises(ConfigError, match="one ratio per level: 2"):
        ModelSettings(levels=2, compression_ratios=[1.0])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"groups": {"a": ["x"]}}, "groups belongs to init 'user'"),
        ({"init": "user"}, "needs groups"),
        ({"init": "model"}, "needs model"),
        ({"take": "weights"}, "take 'weights' belongs to init 'model'"),
        ({"surplus_categories": 1, "per_family": True}, "surplus_categories needs a start"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_by_the_core_too(changes, named):
    with pytest.raises(ConfigError, match=named):
        AssignmentSettings(**changes)


@pytest.mark.parametrize(
    ("wanted", "epochs", "expected"),
    [("auto", 100, 40), ("auto", 1, 1), ("auto", 0, 1), (None, 10, 10), (0, 10, 0), (3, 10, 3), (30, 10, 10)],
)
def test_the_epoch_at_which_the_assignment_hardens(wanted, epochs, expected):
    assert AssignmentSettings(freeze_after_epochs=wanted).freeze_epoch(epochs) == expected
    assert AssignmentSettings(freeze_after_epochs=wanted, mode="static").freeze_epoch(epochs) == 0


def test_an_automatic_estimator_searches_unless_a_schedule_was_asked_for():
    assert AssignmentSettings().resolved_estimator() == "softmax"
    assert AssignmentSettings(init="clustering").resolved_estimator() == "mirror"
    assert AssignmentSettings(temperature_schedule="adaptive").resolved_estimator() == "mirror"
    for field, value in (
        ("temperature_start", 2.0),
        ("temperature_end", 0.2),
        ("temperature_schedule", "linear"),
        ("assignment_lr", 0.1),
    ):
        assert AssignmentSettings(**{field: value}).resolved_estimator() == "softmax"
    assert AssignmentSettings(estimator="gumbel").resolved_estimator() == "gumbel"


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_an_adaptive_temperature_belongs_to_the_search(estimator):
    adaptive = AssignmentSettings(temperature_schedule="adaptive", temperature_end=0.1)
    assert adaptive.resolved_estimator() == "mirror"
    with pytest.raises(ConfigError, match="mirror"):
        AssignmentSettings(temperature_schedule="adaptive", estimator=estimator)


def test_the_assignments_own_terms_weigh_nothing_in_the_search_unless_asked_for():
    assert AssignmentSettings().search_weights() == AssignmentWeights(0.0, 0.0, 0.0)
    assert AssignmentSettings().own_weights() == AssignmentWeights(0.1, 0.0, 0.0)
    given = AssignmentSettings(orthogonality_weight=2.0, balance_weight=0.0, family_constraint_weight=3.0)
    assert given.search_weights() == given.own_weights() == AssignmentWeights(2.0, 0.0, 3.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("variance_threshold", -1),
        ("correlation_threshold", 0),
        ("correlation_threshold", 1.5),
        ("missing", "guess"),
        ("outliers", "drop"),
        ("outlier_threshold", 0),
        ("outlier_percentiles", (99, 1)),
        ("outlier_percentiles", (0, 101)),
        ("weights", {"f0": 0.0}),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=field):
        CleaningSettings(**{field: value})


def test_weights_of_features_are_multiplied_and_one_in_the_mean():
    given = CleaningSettings(weights={"a*": 2.0, "a1": 3.0})
    assert given.weights_of(["a0", "a1", "b"]) == pytest.approx([2 / 3, 2.0, 1 / 3])
    assert CleaningSettings().weights_of(["a", "b", "c"]) == [1.0, 1.0, 1.0]
