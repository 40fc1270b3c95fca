"""Two groupings compared, against results worked out by hand."""

import numpy as np
import pytest

from app.requests.model_diff import adjusted_rand_index, compare_groupings


def grouping(model, homes, names="first second third"):
    return {
        "model": model,
        "categories": [{"name": name} for name in names.split()],
        "features": [{"name": name, "category": home} for name, home in homes.items()],
    }


def homes(*categories):
    return {name: index for index, names in enumerate(categories) for name in names}


def test_categories_under_other_names_are_the_same_groups():
    one = grouping("one", homes("abc", "de", "f"))
    found = compare_groupings(one, grouping("other", homes("f", "abc", "de"), "x y z"))
    assert (found["from"], found["to"], found["agreement"]) == ("one", "other", 1.0)
    assert found["pairs"] == [
        {"from": "first", "to": "y", "shared": 3},
        {"from": "second", "to": "z", "shared": 2},
        {"from": "third", "to": "x", "shared": 1},
    ]
    assert (found["moved"], found["only_in"]) == ([], {"from": [], "to": []})


def test_the_match_keeps_as_many_features_as_possible_in_their_category():
    """First come, first served would match `first` with `x` and leave 1 for `second`, 4 features in all."""
    one = grouping("one", homes("abcde", "fgh", ""))
    other = grouping("other", homes("abcfgh", "de"), "x y")
    found = compare_groupings(one, other)
    assert [(pair["from"], pair["to"], pair["shared"]) for pair in found["pairs"]] == [
        ("first", "y", 2),
        ("second", "x", 3),
    ]
    assert [(each["name"], each["from"], each["to"]) for each in found["moved"]] == [
        ("a", "first", "x"),
        ("b", "first", "x"),
        ("c", "first", "x"),
    ]


def test_features_of_one_model_alone_count_for_nothing_and_are_named():
    one, other = grouping("one", homes("ab", "cx")), grouping("other", homes("yc", "ba"))
    found = compare_groupings(one, other)
    assert found["agreement"] == 1.0
    assert sum(pair["shared"] for pair in found["pairs"]) == 3
    assert found["only_in"] == {"from": ["x"], "to": ["y"]}
    apart = compare_groupings(one, grouping("other", homes("z")))
    assert (apart["agreement"], apart["pairs"], apart["moved"]) == (None, [], [])


@pytest.mark.parametrize(
    ("counts", "agreement"),
    [
        ([[2, 0], [0, 2]], 1.0),
        ([[4]], 1.0),
        ([[1, 0], [0, 1]], 1.0),
        ([[1, 1], [1, 1]], -0.5),  # (0 - 2 * 2 / 6) / (2 - 2 * 2 / 6)
        ([[2, 1], [0, 3]], 12 / 37),  # (4 - 6 * 7 / 15) / (6.5 - 6 * 7 / 15)
        ([[2, 2]], 0.0),
    ],
)
def test_the_agreement_is_the_adjusted_rand_index(counts, agreement):
    assert adjusted_rand_index(np.array(counts)) == pytest.approx(agreement)
