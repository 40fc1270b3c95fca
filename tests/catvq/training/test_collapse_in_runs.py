"""Small runs that collapse, each in its own way, and one that does not."""

import numpy as np
import pytest

from catvq.features.table import FeatureTable


def collapse(run):
    """Kinds, subjects and epochs of what a finished run reports."""
    report = run.freeze().report["collapse"]
    return [(each["kind"], each["subject"], each["first_epoch"], each["last_epoch"]) for each in report]


def table_of(values, *, first_family=None):
    features = tuple(f"f{i}" for i in range(values.shape[1]))
    cut = len(features) if first_family is None else first_family
    families = {"one": features[:cut], "two": features[cut:]}
    return FeatureTable(
        values.astype(np.float32), features, {name: fs for name, fs in families.items() if fs}
    )


def groups_of(**members):
    return {name: tuple(f"f{i}" for i in indices) for name, indices in members.items()}


@pytest.fixture
def mixed(make_config, train):
    """Trains from groups, under a family constraint that outweighs everything else."""

    def run(groups, *, features, first_family):
        assignment = {
            "init": "user",
            "groups": groups_of(**groups),
            "family_constraint_weight": 1000.0,
            "assignment_lr": 0.5,
            "freeze_after_epochs": 3,
        }
        values = np.random.default_rng(0).normal(size=(60, features))
        config = make_config(model={"categories": len(groups)}, assignment=assignment)
        return train(table_of(values, first_family=first_family), config)

    return run


@pytest.fixture
def static(make_config, train):
    """Trains fixed groups with a given treatment of dead codes, outliers left as they are."""

    def run(values, groups, *, model=None, **training):
        config = make_config(
            model={"categories": len(groups), "embedding_dim": 16, "hidden_dim": 32} | (model or {}),
            assignment={"mode": "static", "init": "user", "groups": groups_of(**groups)},
            training=training,
            cleaning={"outliers": "none"},
        )
        return train(table_of(values), config)

    return run


def test_a_healthy_run_reports_no_collapse(train):
    assert collapse(train()) == []


def test_a_mixed_category_that_is_pulled_apart_is_reported_as_empty(mixed):
    run = mixed({"a": range(4), "b": range(5, 8), "c": [4, 8]}, features=9, first_family=5)

    assert collapse(run) == [("empty", "c", 2, 4)]
    assert run.state().collapses[0].cause == "the training moved its features to other categories"
    assert run.state().assignment.active_categories == 2


def test_a_category_that_ends_with_nearly_all_features_is_reported(mixed):
    run = mixed({"a": range(16), "b": range(16, 20)}, features=20, first_family=19)

    assert collapse(run) == [("swallowing", "a", 1, 4)]
    assert run.state().collapses[0].measure == 19 / 20


@pytest.mark.parametrize("epochs", [2, 4])
def test_a_temperature_that_stays_high_is_reported_when_the_assignment_hardens(train, make_config, epochs):
    hot = {"temperature_start": 50.0, "temperature_schedule": "constant", "freeze_after_epochs": epochs}

    assert collapse(train(config=make_config(assignment=hot))) == [
        ("flat_temperature", "temperature", epochs, epochs)
    ]


def test_a_held_temperature_is_reported_as_held(train, make_config, make_table):
    run = train(config=make_config(training={"epochs": 1}))
    assert run.state().collapses == []

    run = type(run).start(make_table(), make_config())
    run.hold_temperature(50.0)
    run.train_epoch()
    run.train_epoch()

    assert "held at 50" in run.state().collapses[0].cause


def test_two_categories_of_the_same_features_are_reported_as_duplicates(static):
    random = np.random.default_rng(0)
    causes = random.normal(size=(200, 2)).repeat(4, axis=1)
    blocks = causes + 0.5 * random.normal(size=causes.shape)
    copies = blocks[:, :4] + 0.02 * random.normal(size=(200, 4))

    run = static(np.hstack([blocks, copies]), {"a": range(4), "b": range(4, 8), "c": range(8, 12)})

    assert [(kind, subject) for kind, subject, *_ in collapse(run)] == [("duplicate", "a = c")]


@pytest.mark.parametrize(
    ("interval", "action"),
    [(1, "its unused codes were moved onto latents"), (9, "nothing: it was not time to revive codes")],
)
def test_a_codebook_that_tells_rows_apart_no_longer_is_reported_with_what_was_done(static, interval, action):
    random = np.random.default_rng(0)
    block = random.normal(size=(400, 1)) + 0.5 * random.normal(size=(400, 4))
    rare = (np.arange(400) == 7)[:, None]

    run = static(
        np.hstack([block, rare]),
        {"a": range(4), "b": [4]},
        model={"levels": 1, "codebook_size": 3},
        dead_code_interval_epochs=interval,
    )

    found = run.state().collapses
    assert {(each.kind, each.subject[0]) for each in found} == {("dead_codebook", "b")}
    assert found[0].action.startswith(action)


def test_watching_changes_nothing_of_what_is_learnt(train, make_config, monkeypatch):
    watched = train()
    monkeypatch.setattr("catvq.training.stage.epoch_signs.SignFinder.collapsed_categories", lambda *_: [])
    assert train().freeze().digest == watched.freeze().digest
