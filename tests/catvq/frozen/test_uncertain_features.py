import numpy as np
import pytest
import torch

from catvq.features.table import FeatureTable
from catvq.frozen.uncertain_features import CHEAP_SWAP, DoubtfulFeature, Swap, describe_doubtful, ridge_errors


def described(name, confidence):
    return {"name": name, "family": "x", "category": 0, "confidence": confidence, "runner_up": 1}


@pytest.fixture
def doubtful(train, make_config):
    """Trains given groups and returns the features in doubt by name, and all that is known of each."""

    def run(columns, groups, *, families=None, assignment=None, **model):
        features = tuple(columns)
        values = np.stack(list(columns.values()), axis=1).astype(np.float32)
        table = FeatureTable(values, features, families or {"all": features})
        config = make_config(
            model={"categories": len(groups), "levels": 1, "codebook_size": 8, "hidden_dim": 16} | model,
            assignment={"mode": "static", "init": "user", "groups": groups} | (assignment or {}),
            training={"epochs": 2, "batch_size": 64},
        )
        return {each["name"]: each for each in train(table, config).freeze().report["doubtful"]}

    return run


@pytest.fixture(scope="module")
def two_blocks():
    """Columns a0 to a3 share one cause and b0 to b3 another; m is made of both, n of neither."""
    random = np.random.default_rng(0)
    causes = random.normal(size=(800, 2))
    columns = {
        f"{c}{i}": causes[:, k] + 0.5 * random.normal(size=800) for k, c in enumerate("ab") for i in range(4)
    }
    columns["m"] = causes.sum(axis=1) + 0.7 * random.normal(size=800)
    columns["n"] = random.normal(size=800)
    return columns


A, B = tuple(f"a{i}" for i in range(4)), tuple(f"b{i}" for i in range(4))


def test_what_belongs_to_both_categories_or_to_none_is_in_doubt_and_what_belongs_is_not(doubtful, two_blocks):
    found = doubtful(two_blocks, {"x": (*A, "m", "n"), "y": B})

    assert set(found) == {"m", "n"}
    assert all(abs(each["swap_cost"]) <= CHEAP_SWAP for each in found.values())
    assert [each["runner_up"] for each in found.values()] == [1, 1]
    assert [each["confidence"] for each in found.values()] == [1.0, 1.0]


def test_a_feature_in_the_wrong_category_would_gain_by_a_swap_and_comes_first(doubtful, two_blocks):
    found = doubtful(two_blocks, {"x": (*A[:3], "m"), "y": (*B, "a3", "n")})

    name, first = next(iter(found.items()))
    assert (name, first["category"], first["runner_up"]) == ("a3", 1, 0)
    assert first["swap_cost"] < -0.3


def test_a_category_is_asked_without_the_feature_itself(doubtful, two_blocks):
    """A category of one feature knows it perfectly, and yet tells nothing of it to others."""
    columns = {name: two_blocks[name] for name in (*A, *B)}
    found = doubtful(columns, {"x": A[:3], "y": B, "z": ("a3",)})

    assert found["a3"]["runner_up"] == 0
    assert found["a3"]["swap_cost"] < -0.3


def test_dependence_without_correlation_is_no_doubt(doubtful):
    random = np.random.default_rng(0)
    angles = random.uniform(0, 2 * np.pi, size=(600, 2))
    waves = {
        f"{c}{k}{wave.__name__}": wave(k * angles[:, i]) + 0.1 * random.normal(size=600)
        for i, c in enumerate("ab")
        for k in (1, 2)
        for wave in (np.cos, np.sin)
    }
    groups = {c: tuple(name for name in waves if name[0] == c) for c in "ab"}

    assert doubtful(waves, groups) == {}


def test_a_rival_is_a_category_of_the_same_family_when_families_are_kept_apart(doubtful, two_blocks):
    columns = {name: two_blocks[name] for name in (*A, *B, "n")}
    groups = {"x": A, "y": (*B, "n"), "z": ()}
    families = {"f": A, "g": (*B, "n")}

    found = doubtful(columns, groups, families=families, assignment={"per_family": True})

    assert found == {}  # neither family has another category with features


def test_a_single_category_leaves_nothing_to_swap_with(doubtful, two_blocks):
    assert doubtful(two_blocks, {"x": tuple(two_blocks)}) == {}


def test_doubt_is_a_low_confidence_or_a_cheap_swap_and_the_cheapest_come_first():
    features = [
        described(name, c) for name, c in (("sure", 1.0), ("unsure", 0.9), ("swap", 1.0), ("alone", 0.5))
    ]
    swaps = [Swap(1, CHEAP_SWAP + 0.01), Swap(2, 0.5), Swap(3, -0.1), None]

    found = describe_doubtful(features, swaps)

    assert [each.name for each in found] == ["swap", "unsure", "alone"]
    assert found[0] == DoubtfulFeature(name="swap", category=0, confidence=1.0, runner_up=3, swap_cost=-0.1)
    assert (found[2].runner_up, found[2].swap_cost) == (None, None)


def test_ridge_errors_by_hand():
    """Inputs of mean 0 and variance 1; a penalty of 1/4 shrinks a slope of 2 to 2 / (1 + 1/4) = 1.6.

    The deviation that standardises divides by one row less: 4/3 of the variance.
    """
    inputs = torch.tensor([1.0, -1.0, 1.0, -1.0]).view(1, 4, 1)
    targets = 2 * inputs[0] + 5
    slope = 2 * (3 / 4) / (3 / 4 + 1 / 4)

    errors = ridge_errors(inputs, targets, inputs, targets)

    assert errors.tolist() == [[pytest.approx((2 - slope) ** 2, abs=1e-5)]]


def test_ridge_errors_of_each_category_and_target_are_their_own():
    random = torch.Generator().manual_seed(0)
    fitted = torch.randn(3, 500, 2, generator=random)
    targets = torch.stack([fitted[0, :, 0], fitted[2, :, 1]], dim=1)

    errors = ridge_errors(fitted, targets, fitted, targets)

    assert (errors < 0.01).tolist() == [[True, False], [False, False], [False, True]]
    assert errors[1].tolist() == pytest.approx([1.0, 1.0], abs=0.2)
