"""Compares the groupings of two models: agreement, matched categories, moved features."""

from collections.abc import Mapping
from typing import Any

import lap
import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]  # [categories of the one, of the other]: features that both models have
Grouping = Mapping[str, Any]


def compare_groupings(one: Grouping, other: Grouping) -> dict[str, Any]:
    """Return the differences between two groupings, as `GET /v1/models/{id}/diff` shows them.

    Categories are matched one to one such that as many shared features as possible stay in their category.

    Args:
        one: The body of a model's grouping.
        other: That of another model.
    """
    homes, other_homes = _homes(one), _homes(other)
    names, other_names = _names(one), _names(other)
    shared = [name for name in homes if name in other_homes]
    counts = np.zeros((len(names), len(other_names)), np.int64)
    np.add.at(counts, ([homes[name] for name in shared], [other_homes[name] for name in shared]), 1)
    matched = _match(counts)
    return {
        "from": one["model"],
        "to": other["model"],
        "agreement": adjusted_rand_index(counts) if shared else None,
        "pairs": [
            {"from": names[row], "to": other_names[column], "shared": int(counts[row, column])}
            for row, column in matched.items()
        ],
        "moved": [
            {"name": name, "from": names[homes[name]], "to": other_names[other_homes[name]]}
            for name in shared
            if matched.get(homes[name]) != other_homes[name]
        ],
        "only_in": {
            "from": [name for name in homes if name not in other_homes],
            "to": [name for name in other_homes if name not in homes],
        },
    }


def adjusted_rand_index(counts: Counts) -> float:
    """Return the agreement of two partitions: 1 if they are equal, about 0 if they are independent.

    Source: Hubert and Arabie 1985, "Comparing partitions", equation 5.

    Args:
        counts: How many items are in each pair of parts; at least one item.
    """
    together = _pairs_within(counts)
    of_rows, of_columns = _pairs_within(counts.sum(axis=1)), _pairs_within(counts.sum(axis=0))
    expected = of_rows * of_columns / max(1.0, _pairs_within(counts.sum()))
    most = (of_rows + of_columns) / 2
    return 1.0 if most == expected else (together - expected) / (most - expected)


def _pairs_within(sizes: Any) -> float:
    return float(np.sum(sizes * (sizes - 1)) / 2)


def _match(counts: Counts) -> dict[int, int]:
    """Return the other category that each category is matched with, where they share a feature.

    Of matches that keep as many features, that of the earlier categories is taken.
    """
    later = np.arange(len(counts)) / len(counts) ** 2  # in all less than one feature
    columns = lap.lapjv(later[:, None] - counts, extend_cost=True, return_cost=False)[0]
    pairs = enumerate(columns.tolist())  # -1 where there are fewer of the other
    return {row: column for row, column in pairs if column >= 0 and counts[row, column]}


def _homes(grouping: Grouping) -> dict[str, int]:
    return {feature["name"]: feature["category"] for feature in grouping["features"]}


def _names(grouping: Grouping) -> list[str]:
    return [category["name"] for category in grouping["categories"]]
