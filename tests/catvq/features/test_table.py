import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catvq.config import FeatureSettings, HeldOutDatasets, TrainingSettings
from catvq.errors import ConfigError, ShapeError
from catvq.features.split import split_rows
from catvq.features.table import FeatureTable, select_features
from catvq.recipe import MIN_TRAINING_ROWS

VALUES = np.zeros((4, 3), dtype=np.float32)


def test_each_feature_knows_its_family_whatever_their_order():
    table = FeatureTable(VALUES, ("a", "b", "c"), {"second": ("c", "a"), "first": ("b",)})

    assert table.family_of_feature().tolist() == [0, 1, 0]


@pytest.mark.parametrize("values", [VALUES[:, :2], VALUES[0], VALUES[None]])
def test_columns_that_are_not_the_features_are_refused(values):
    with pytest.raises(ShapeError, match="3 features"):
        FeatureTable(values, ("a", "b", "c"), {"all": ("a", "b", "c")})


def test_repeated_names_are_refused():
    with pytest.raises(ConfigError, match="differ"):
        FeatureTable(VALUES, ("a", "b", "a"), {"all": ("a", "b", "a")})


@pytest.mark.parametrize(
    "families",
    [{}, {"x": ("a", "b")}, {"x": ("a", "b"), "y": ("b", "c")}, {"x": ("a", "b", "c", "d")}],
)
def test_families_that_do_not_cover_every_feature_once_are_refused(families):
    with pytest.raises(ConfigError, match="exactly once"):
        FeatureTable(VALUES, ("a", "b", "c"), families)


@given(st.integers(10, 500), st.floats(0, 0.45), st.floats(0, 0.45), st.integers(0, 2**53 - 1))
def test_a_split_covers_every_row_once_and_leaves_enough_to_train(rows, validation, test, seed):
    try:
        split = split_rows(
            TrainingSettings(validation_fraction=validation, test_fraction=test, seed=seed), rows
        )
    except ConfigError:
        assert rows - round(rows * validation) - round(rows * test) < MIN_TRAINING_ROWS
        return

    parts = (split.train, split.validation, split.test)
    assert sorted(np.concatenate(parts).tolist()) == list(range(rows))
    assert len(split.validation) == round(rows * validation)
    assert len(split.test) == round(rows * test)
    assert len(split.train) >= MIN_TRAINING_ROWS
    assert all((np.diff(part) > 0).all() for part in parts)


def test_the_split_follows_the_seed():
    first, again, other = (split_rows(TrainingSettings(seed=seed), 100) for seed in (3, 3, 4))

    assert np.array_equal(first.train, again.train)
    assert np.array_equal(first.test, again.test)
    assert not np.array_equal(first.test, other.test)


@pytest.mark.parametrize(("rows", "is_enough"), [(10, True), (9, False), (8, False)])
def test_ten_rows_are_the_fewest_that_the_default_split_can_train_on(rows, is_enough):
    if is_enough:
        assert len(split_rows(TrainingSettings(), rows).train) == 8
        return
    with pytest.raises(ConfigError, match=f"{rows} rows"):
        split_rows(TrainingSettings(), rows)


def test_without_held_out_rows_all_rows_train():
    split = split_rows(TrainingSettings(validation_fraction=0, test_fraction=0), 8)

    assert split.train.tolist() == list(range(8))
    assert len(split.validation) == len(split.test) == 0


def keyed(cells):
    return {"key": np.array(cells, dtype=object)}


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_one_group_are_on_one_side(seed):
    groups = [f"g{i % 17}" for i in range(200)]
    training = TrainingSettings(split_by="key", seed=seed)
    split = split_rows(training, 200, keyed(groups))

    parts = [{groups[row] for row in part} for part in (split.train, split.validation, split.test)]
    assert all(parts)
    assert sum(map(len, parts)) == 17
    assert sorted(np.concatenate([split.train, split.validation, split.test]).tolist()) == list(range(200))


@pytest.mark.parametrize(
    "cells", [[str(i) for i in range(100)], [f"2026-{1 + i // 28:02}-{1 + i % 28:02}" for i in range(100)]]
)
def test_the_last_rows_by_a_key_test_and_those_before_validate(cells):
    shuffled = np.random.default_rng(0).permutation(100)
    training = TrainingSettings(split_by_order_of="key")
    split = split_rows(training, 100, keyed([cells[place] for place in shuffled]))

    assert sorted(shuffled[split.test]) == list(range(90, 100))
    assert sorted(shuffled[split.validation]) == list(range(80, 90))


def test_a_split_needs_its_key_and_enough_groups():
    with pytest.raises(ConfigError, match="no key 'who'"):
        split_rows(TrainingSettings(split_by="who"), 100)
    with pytest.raises(ConfigError, match="exclude each other"):
        TrainingSettings(split_by="a", split_by_order_of="b")


def test_features_are_selected_by_names_and_globs():
    table = FeatureTable(VALUES, ("a", "b", "c"), {"x": ("a", "b"), "y": ("c",)})

    assert select_features(table, FeatureSettings()) is table
    some = select_features(table, FeatureSettings(exclude=("[b-z]",)))
    assert (some.features, dict(some.families)) == (("a",), {"x": ("a",)})
    np.testing.assert_array_equal(some.values, VALUES[:, :1])
    with pytest.raises(ConfigError, match="no feature is left"):
        select_features(table, FeatureSettings(include=("z*",)))


def test_rows_of_other_tables_are_the_part_that_they_are_for():
    table = FeatureTable(
        np.arange(20, dtype=np.float32)[:, None],
        ("a",),
        {"all": ("a",)},
        held_out={"test": FeatureTable(np.array([[30], [31]], np.float32), ("a",), {"all": ("a",)})},
    )

    split = table.split(TrainingSettings(split=HeldOutDatasets(test="ds_1")))

    assert (len(split.train), len(split.validation), split.test.tolist()) == (18, 2, [20, 21])
    assert table.num_rows == 22
    assert table.take(np.array([21, 0, 20])).ravel().tolist() == [31, 0, 30]


def test_rows_without_weight_are_in_no_part_and_too_few_with_one_are_refused():
    values, weights = np.zeros((100, 1), np.float32), np.arange(100) % 2.0
    table = FeatureTable(values, ("a",), {"all": ("a",)}, weights=weights)

    split = table.split(TrainingSettings())

    assert all((part % 2 == 1).all() for part in (split.train, split.validation, split.test))
    assert sum(len(part) for part in (split.train, split.validation, split.test)) == 50
    with pytest.raises(ConfigError, match="0 training rows have a weight"):
        FeatureTable(values, ("a",), {"all": ("a",)}, weights=np.zeros(100)).split(TrainingSettings())
