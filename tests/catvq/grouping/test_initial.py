import numpy as np
import pytest
import torch

from catvq.config import TrainingSettings
from catvq.errors import ConfigError
from catvq.features.split import split_rows
from catvq.features.table import FeatureTable
from catvq.grouping.categories import Categories
from catvq.grouping.choose_initial import CLEAR_SEPARATION
from catvq.grouping.initial import fit_cleaner, start_categories

GROUPS = {"a": ("f0", "f1", "f2"), "b": ("f3", "f4", "f5"), "c": ("f6", "f7", "f8")}
FROM_MODEL = {"init": "model", "model": "model_1"}


def settle(table, config, groups=None):
    """Cleaner and categories as a run settles them."""
    split = split_rows(TrainingSettings(), len(table.values))
    cleaner = fit_cleaner(table, split, config, groups)
    normalized = cleaner.normalize(table.values[split.train])
    return cleaner, start_categories(table, cleaner, normalized, config, groups)


def constant(columns):
    def edit(values):
        values[:, columns] = 3.0

    return edit


@pytest.mark.parametrize("init", ["auto", "dependence", "clustering"])
def test_the_blocks_that_rise_and_fall_together_are_found(make_table, make_config, init):
    for wanted in (3, "auto"):
        config = make_config(model={"categories": wanted}, assignment={"init": init})
        _, categories = settle(make_table(), config)

        assert categories.names == ("category_0", "category_1", "category_2")
        assert categories.grouping.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert categories.allowed.all()


@pytest.mark.parametrize("init", ["dependence", "clustering", "random"])
def test_more_categories_than_features_leave_some_empty(make_table, make_config, init):
    _, categories = settle(make_table(), make_config(model={"categories": 12}, assignment={"init": init}))

    assert len(categories.names) == 12
    assert len(set(categories.grouping.tolist())) == 9
    assert categories.grouping.max() < 12


def test_a_random_start_follows_the_seed_and_has_as_many_categories_as_asked(make_table, make_config):
    starts = [
        settle(make_table(), make_config(assignment={"init": "random"}, training={"seed": seed}))[1]
        for seed in (1, 1, 2)
    ]

    assert starts[0].grouping.tolist() == starts[1].grouping.tolist()
    assert starts[0].grouping.tolist() != starts[2].grouping.tolist()
    assert np.bincount(starts[0].grouping).tolist() == [3, 3, 3]


@pytest.mark.parametrize("init", ["dependence", "clustering", "random"])
@pytest.mark.parametrize("wanted", ["auto", 5, {"family0": 1, "family1": 2, "family2": 2}])
def test_no_category_spans_two_families_when_they_are_kept_apart(make_table, make_config, init, wanted):
    table = make_table()
    config = make_config(model={"categories": wanted}, assignment={"per_family": True, "init": init})
    _, categories = settle(table, config)

    family = table.family_of_feature()
    assert config.keeps_families
    assert (categories.allowed.sum(dim=1) >= 1).all()
    for category, name in enumerate(categories.names):
        takers = {int(f) for f in family[categories.allowed[:, category].numpy()]}
        assert takers == {int(name[len("family") :].split("_")[0])}
    assert categories.allowed[torch.arange(9), torch.from_numpy(categories.grouping)].all()
    assert wanted == "auto" or len(categories.names) == 5


@pytest.mark.parametrize("init", ["dependence", "clustering", "random"])
@pytest.mark.parametrize("wanted", ["auto", 3])
def test_single_families_have_categories_of_their_own(make_table, make_config, init, wanted):
    table = make_table()
    config = make_config(
        model={"categories": wanted}, assignment={"isolated_families": ["family1"], "init": init}
    )
    _, categories = settle(table, config)

    is_own = np.array([name.startswith("family1_") for name in categories.names])
    assert 0 < is_own.sum() < len(is_own)
    assert {name.rpartition("_")[0] for name in categories.names} == {"family1", "category"}
    for family, row in zip(table.family_of_feature(), categories.allowed.numpy(), strict=True):
        assert (row == (is_own if family == 1 else ~is_own)).all()
    assert wanted == "auto" or len(is_own) == wanted


def test_families_that_are_not_there_cannot_be_kept_apart(make_table, make_config):
    with pytest.raises(ConfigError, match="nowhere"):
        settle(make_table(), make_config(assignment={"isolated_families": ["nowhere"]}))


def test_groups_may_not_join_a_family_that_is_kept_apart_with_others(make_table, make_config):
    table = make_table()
    first, *others = table.families.values()
    groups = {"a": [*first, *others[0]], "b": [*others[1]]}

    def start(isolated):
        assignment = {"init": "user", "groups": groups, "isolated_families": isolated}
        return settle(table, make_config(model={"categories": 2}, assignment=assignment), groups)

    assert start(["family2"])[1].names == ("a", "b")
    with pytest.raises(ConfigError, match="'a' spans"):
        start(["family0"])


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("init", ["dependence", "clustering", "random"])
@pytest.mark.parametrize("wanted", ["auto", 4, {"family0": 2, "family1": 2, "family2": 2}])
def test_a_family_of_constants_only_still_has_a_category_of_its_own(
    make_table, make_config, position, init, wanted
):
    table = make_table(edit=constant(slice(3 * position, 3 * position + 3)))
    config = make_config(model={"categories": wanted}, assignment={"per_family": True, "init": init})
    cleaner, categories = settle(table, config)

    soft = categories.expand(np.eye(len(categories.names), dtype=np.float32)[categories.grouping], cleaner)
    for feature, family in enumerate(table.family_of_feature()):
        assert categories.names[soft[feature].argmax()].startswith(f"family{family}_")
    assert np.allclose(soft.sum(axis=1), 1)
    assert len(set(categories.names)) == len(categories.names)


def test_families_are_kept_apart_also_when_categories_are_counted_by_family(make_config):
    assert make_config(model={"categories": {"x": 1}}).keeps_families
    assert not make_config().keeps_families


def test_categories_for_other_families_than_the_tables_are_refused(make_table, make_config):
    with pytest.raises(ConfigError, match="family2"):
        settle(make_table(), make_config(model={"categories": {"family0": 1, "family1": 1}}))


def test_given_groups_are_the_start_and_lend_their_names(make_table, make_config):
    config = make_config(model={"categories": "auto"}, assignment={"init": "user", "groups": GROUPS})
    _, categories = settle(make_table(), config, GROUPS)

    assert categories.names == ("a", "b", "c")
    assert categories.grouping.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_categories_beyond_the_given_groups_get_names_that_no_group_has(make_table, make_config):
    groups = {"category_3": GROUPS["a"], "b": GROUPS["b"], "c": GROUPS["c"]}
    config = make_config(model={"categories": 5}, assignment={"init": "user", "groups": groups})
    _, categories = settle(make_table(), config, groups)

    assert categories.names == ("category_3", "b", "c", "category_4", "category_5")


@pytest.mark.parametrize(
    ("model", "assignment", "groups", "words"),
    [
        ({}, {"init": "user"}, None, "needs groups"),
        ({"categories": 2}, FROM_MODEL, GROUPS, "3 groups"),
        ({"categories": {"family0": 1}}, FROM_MODEL, GROUPS, "number or 'auto'"),
        ({}, FROM_MODEL, {"a": ("f0",)}, "in no category"),
        (
            {},
            {**FROM_MODEL, "per_family": True},
            {"a": ("f0", "f3"), "b": ("f1", "f2", "f4", "f5", "f6", "f7", "f8")},
            "several families",
        ),
    ],
)
def test_groups_that_do_not_fit_are_refused(make_table, make_config, model, assignment, groups, words):
    with pytest.raises(ConfigError, match=words):
        settle(make_table(), make_config(model=model, assignment=assignment), groups)


def test_given_groups_within_families_allow_the_other_groups_of_the_family(make_table, make_config):
    groups = {"x": ("f0",), "y": ("f1", "f2"), **{k: GROUPS[k] for k in ("b", "c")}}
    config = make_config(model={"categories": 4}, assignment={**FROM_MODEL, "per_family": True})
    _, categories = settle(make_table(), config, groups)

    assert categories.allowed[0].tolist() == [True, True, False, False]
    assert categories.allowed[8].tolist() == [False, False, False, True]


def test_a_constant_feature_rests_evenly_or_in_the_group_that_was_given(make_table, make_config):
    table = make_table(edit=constant(4))

    cleaner, categories = settle(table, make_config())
    soft = categories.expand(np.eye(3, dtype=np.float32)[categories.grouping], cleaner)
    assert soft[4].tolist() == pytest.approx([1 / 3] * 3)

    cleaner, categories = settle(table, make_config(assignment=FROM_MODEL), GROUPS)
    soft = categories.expand(np.eye(3, dtype=np.float32)[categories.grouping], cleaner)
    assert soft[4].tolist() == [0, 1, 0]


def test_a_duplicate_follows_the_feature_it_repeats(make_table, make_config):
    def edit(values):
        values[:, 8] = 1 - 2 * values[:, 0]

    cleaner, categories = settle(make_table(edit=edit), make_config())
    soft = np.random.default_rng(0).random((8, 3)).astype(np.float32)

    expanded = categories.expand(soft, cleaner)

    assert np.array_equal(expanded[:8], soft)
    assert np.array_equal(expanded[8], soft[0])


def test_duplicates_in_two_families_or_two_final_groups_are_both_kept(make_table, make_config):
    def edit(values):
        values[:, 8] = values[:, 0]

    table = make_table(edit=edit)
    static = {**FROM_MODEL, "mode": "static"}

    assert len(settle(table, make_config())[0].active) == 8
    assert len(settle(table, make_config(assignment={"per_family": True}))[0].active) == 9
    assert len(settle(table, make_config(assignment=static), GROUPS)[0].active) == 9
    assert len(settle(table, make_config(assignment=FROM_MODEL), GROUPS)[0].active) == 8


def test_hard_logits_give_exactly_one_hot_rows_at_any_temperature(make_table, make_config):
    _, categories = settle(make_table(), make_config())
    logits = categories.start_logits(is_hard=True)

    for temperature in (1e-3, 1.0, 1e3):
        soft = torch.softmax(logits / temperature, dim=1)
        assert set(soft.flatten().tolist()) == {0.0, 1.0}
        assert soft.argmax(dim=1).tolist() == categories.grouping.tolist()


def test_soft_logits_lean_to_the_grouping_and_leave_room_to_move(make_table, make_config):
    _, categories = settle(make_table(), make_config())

    soft = torch.softmax(categories.start_logits(is_hard=False), dim=1)

    assert soft.argmax(dim=1).tolist() == categories.grouping.tolist()
    assert (soft.amax(dim=1) < 0.95).all()


def test_categories_come_back_from_their_tensors(make_table, make_config):
    _, categories = settle(make_table(edit=constant(4)), make_config(assignment={"per_family": True}))

    copy = Categories.from_tensors(list(categories.names), categories.tensors())

    assert copy.names == categories.names
    assert np.array_equal(copy.grouping, categories.grouping)
    assert torch.equal(copy.allowed, categories.allowed)
    assert np.array_equal(copy.resting, categories.resting)


def test_separate_blocks_are_told_from_features_that_all_depend_on_each_other(make_table, make_config):
    tables = make_table(), make_table(blocks=1, width=9)
    apart, together = (settle(table, make_config())[1] for table in tables)

    assert apart.separation > CLEAR_SEPARATION > together.separation
    assert Categories.from_tensors(apart.names, apart.tensors()).separation == apart.separation
    assert settle(make_table(), make_config(assignment={"init": "clustering"}))[1].separation == 0
    assert settle(make_table(), make_config(assignment={"init": "random"}))[1].separation == 0


def test_one_feature_alone_is_one_category(make_config):
    values = np.random.default_rng(0).normal(size=(20, 1)).astype(np.float32)
    table = FeatureTable(values, ("only",), {"all": ("only",)})

    for wanted in ("auto", 1):
        _, categories = settle(table, make_config(model={"categories": wanted}))
        assert categories.names == ("category_0",)
