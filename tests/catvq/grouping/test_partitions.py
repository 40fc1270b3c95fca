import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from catvq.errors import ConfigError
from catvq.grouping.correlation import cluster_features
from catvq.grouping.partitions import (
    group_per_family,
    grouping_from_names,
    logits_from_grouping,
    random_grouping,
    share_categories,
)

FAMILIES = np.array([1, 0, 1, 0, 1, 0, 1, 0, 1, 1])
HIDDEN = np.array([0, 0, 0, 1, 1, 0, 1, 1, 0, 1])  # signals are shared across the families


def values():
    generator = np.random.default_rng(0)
    signals = generator.standard_normal((400, 2))
    return (signals[:, HIDDEN] + 0.3 * generator.standard_normal((400, 10))).astype(np.float32)


def by_correlation(rows, number):
    return cluster_features(rows, number, seed=0)


def test_categories_of_different_families_are_disjoint_and_in_order_of_the_families():
    grouping = group_per_family(values(), FAMILIES, {0: 2, 1: 2}, find=by_correlation)

    # family 0 is features 1, 3, 5, 7 (signals 0 1 0 1); family 1 is 0, 2, 4, 6, 8, 9 (0 0 1 1 0 1)
    assert grouping[FAMILIES == 0].tolist() == [0, 1, 0, 1]
    assert grouping[FAMILIES == 1].tolist() == [2, 2, 3, 3, 2, 3]


def test_the_silhouette_chooses_for_each_family_when_no_counts_are_given():
    grouping = group_per_family(values(), FAMILIES, None, find=by_correlation)

    assert (
        grouping.tolist() == group_per_family(values(), FAMILIES, {0: 2, 1: 2}, find=by_correlation).tolist()
    )


def test_a_family_keeps_its_block_of_categories_even_where_it_has_fewer_features():
    families = np.array([0, 2, 2, 2])
    grouping = group_per_family(values()[:, :4], families, {0: 3, 1: 2, 2: 1}, find=by_correlation)

    assert grouping.tolist() == [0, 5, 5, 5]


def test_a_family_without_a_count_is_refused_by_number():
    with pytest.raises(ConfigError, match=r"\[1\]"):
        group_per_family(values(), FAMILIES, {0: 2}, find=by_correlation)


@pytest.mark.parametrize(
    ("total", "sizes", "counts"),
    [
        (10, {0: 60, 1: 30, 2: 10}, {0: 6, 1: 3, 2: 1}),
        (5, {0: 50, 1: 30, 2: 20}, {0: 3, 1: 1, 2: 1}),  # 2.5, 1.5, 1: the tie goes to the first
        (4, {0: 100, 1: 1, 2: 1}, {0: 2, 1: 1, 2: 1}),  # 3.92 has to give one up
        (
            8,
            {0: 60, 1: 40, 2: 1, 3: 1, 4: 1},
            {0: 3, 1: 2, 2: 1, 3: 1, 4: 1},
        ),  # 4.66 and 3.11 give up one each
        (9, {0: 2, 1: 8}, {0: 2, 1: 7}),  # 1.8, 7.2
        (10, {0: 2, 1: 8}, {0: 2, 1: 8}),
    ],
)
def test_categories_are_shared_out_by_largest_remainder(total, sizes, counts):
    assert share_categories(total, sizes) == counts


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.data())
def test_every_family_gets_at_least_one_category_and_none_more_than_its_features(sizes, data):
    by_family = dict(enumerate(sizes))
    total = data.draw(st.integers(len(sizes), sum(sizes)))
    counts = share_categories(total, by_family)

    assert sum(counts.values()) == total
    assert all(1 <= counts[family] <= by_family[family] for family in by_family)


@pytest.mark.parametrize("total", [1, 6])
def test_a_total_that_cannot_be_shared_out_is_refused(total):
    with pytest.raises(
        ConfigError, match=f"{total} categories cannot be distributed over 2 families with 5 features"
    ):
        share_categories(total, {0: 3, 1: 2})


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 5))
def test_a_random_grouping_is_balanced_within_one(features, categories, seed):
    sizes = np.bincount(random_grouping(features, categories, seed=seed), minlength=categories)

    assert len(sizes) == categories
    assert sizes.sum() == features
    assert sizes.max() - sizes.min() <= 1


def test_a_random_grouping_follows_its_seed():
    deals = [random_grouping(30, 5, seed=seed).tolist() for seed in (1, 1, 2)]

    assert deals[0] == deals[1] != deals[2]


def test_a_random_grouping_deals_each_family_over_its_own_block():
    grouping = random_grouping(10, 5, seed=0, families=FAMILIES, counts={0: 2, 1: 3})

    assert np.bincount(grouping[FAMILIES == 0]).tolist() == [2, 2]
    assert np.bincount(grouping[FAMILIES == 1]).tolist() == [0, 0, 2, 2, 2]


def test_a_random_grouping_shares_the_categories_out_when_no_counts_are_given():
    grouping = random_grouping(10, 5, seed=0, families=FAMILIES)

    assert set(grouping[FAMILIES == 0].tolist()) == {0, 1}
    assert set(grouping[FAMILIES == 1].tolist()) == {2, 3, 4}


def test_counts_that_do_not_add_up_are_refused():
    with pytest.raises(ConfigError, match="counts add up to 5, not to 6"):
        random_grouping(10, 6, seed=0, families=FAMILIES, counts={0: 2, 1: 3})


def test_named_categories_are_numbered_in_the_order_given():
    groups = {"shape": ["c", "a"], "size": ["b"]}

    assert grouping_from_names(groups, ["a", "b", "c"]).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("groups", "complaint"),
    [
        ({"x": ["a", "b"], "y": ["c", "d"]}, "unknown features: 'd'"),
        ({"x": ["a", "b"], "y": ["c", "b"]}, "features named more than once: 'b'"),
        ({"x": ["a", "a", "b"], "y": ["c"]}, "features named more than once: 'a'"),
        ({"x": ["b"]}, "features in no category: 'a', 'c'"),
        ({"x": ["a", "b"], "y": ["z"]}, "unknown features: 'z'; features in no category: 'c'"),
    ],
)
def test_groups_that_do_not_name_every_feature_once_are_refused_by_name(groups, complaint):
    with pytest.raises(ConfigError, match=complaint):
        grouping_from_names(groups, ["a", "b", "c"])


def test_a_long_list_of_names_is_cut_short():
    with pytest.raises(ConfigError, match=r"'f4' and 3 more$"):
        grouping_from_names({"x": []}, [f"f{index}" for index in range(8)])


def test_start_logits_give_the_own_category_the_confidence_for_any_number_of_categories():
    for categories in (2, 3, 50):
        grouping = np.array([0, 1, 1])
        soft = torch.softmax(torch.from_numpy(logits_from_grouping(grouping, categories)), dim=1).numpy()

        assert soft[[0, 1, 2], grouping] == pytest.approx([0.8] * 3, abs=1e-6)
        assert soft[0, 1:] == pytest.approx([0.2 / (categories - 1)] * (categories - 1), abs=1e-6)


def test_start_logits_share_the_rest_among_the_allowed_categories_only():
    allowed = np.array([[True, True, False, True], [False, False, True, False]])
    logits = torch.from_numpy(logits_from_grouping(np.array([1, 2]), 4, confidence=0.5, allowed=allowed))
    soft = torch.softmax(logits.masked_fill(~torch.from_numpy(allowed), -torch.inf), dim=1)

    assert soft.tolist() == [pytest.approx([0.25, 0.5, 0, 0.25]), [0, 0, 1, 0]]
    assert torch.isfinite(logits).all()


def test_start_logits_leave_the_assignment_room_to_move():
    def largest_gradient(logits):
        logits = torch.from_numpy(logits).requires_grad_()
        torch.softmax(logits, dim=1)[0, 1].backward()
        return logits.grad.abs().max().item()

    saturated = np.array([[5, -5]], np.float32)
    assert largest_gradient(logits_from_grouping(np.array([0]), 2)) > 1000 * largest_gradient(saturated)


@pytest.mark.parametrize("confidence", [0.0, 1.0, np.nan])
def test_a_confidence_without_room_is_refused(confidence):
    with pytest.raises(ConfigError, match="confidence"):
        logits_from_grouping(np.array([0]), 2, confidence=confidence)


def test_a_start_outside_the_categories_or_the_mask_is_refused():
    with pytest.raises(ConfigError, match="categories 0 to 1"):
        logits_from_grouping(np.array([0, 2]), 2)
    with pytest.raises(ConfigError, match="may not join"):
        logits_from_grouping(np.array([1]), 2, allowed=np.array([[True, False]]))
