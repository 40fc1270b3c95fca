"""Initial groupings per family, at random or from the user, and their logits.

Letters: N rows, D features, G categories.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from catvq.errors import ConfigError

# Probability of a feature's initial category at temperature 1. The gradient through a softmax is proportional
# to p (1 - p): 0.16 here, against 0.0004 for ten logits of +5 and -5, with which no feature ever moved.
START_CONFIDENCE = 0.8
MAX_NAMES_IN_ERROR = 5


def group_per_family(
    values: NDArray[np.float32],
    families: NDArray[np.int64],
    counts: Mapping[int, int] | None,
    *,
    find: Callable[[NDArray[np.float32], int | None], NDArray[np.int64]],
) -> NDArray[np.int64]:
    """Group each family separately, so that no category spans two families.

    Each family has a block of consecutive categories, in the order of family numbers. With counts, a block
    has that width even if the family has fewer features; some of its categories are then empty.

    Args:
        values: Normalised rows [N, D].
        families: Family number of each feature [D].
        counts: Number of categories of each family; None: `find` chooses it.
        find: Groups the features of rows [N, d] into a given number of categories; chooses it if None.

    Returns:
        The category of each feature, int64 [D].

    Raises:
        ConfigError: A family has no count.
    """
    grouping = np.zeros(len(families), dtype=np.int64)
    offset = 0
    for family in _all_families(families, counts):
        members = np.flatnonzero(families == family)
        number = None if counts is None else counts[family]
        if len(members):
            grouping[members] = offset + find(values[:, members], number)
        offset = int(grouping.max()) + 1 if number is None else offset + number
    return grouping


def share_categories(total: int, sizes: Mapping[int, int]) -> dict[int, int]:
    """Distribute a number of categories over families in proportion to their numbers of features.

    By largest remainder (ties go to the earlier family); each family gets at least one and at most its
    number of features.

    Args:
        total: Number of categories.
        sizes: Number of features of each family, at least 1.

    Raises:
        ConfigError: There are fewer categories than families, or more than features.
    """
    features = sum(sizes.values())
    if not len(sizes) <= total <= features:
        raise ConfigError(
            f"{total} categories cannot be distributed over {len(sizes)} families with {features} features: "
            "each family needs at least one category, and each category a feature"
        )
    quota = {family: total * size / features for family, size in sizes.items()}
    counts = {family: max(int(quota[family]), 1) for family in sizes}
    while (given := sum(counts.values())) != total:
        step = 1 if given < total else -1
        able = [family for family in counts if counts[family] + step >= 1]
        chosen = max(able, key=lambda family: step * (quota[family] - counts[family]))
        counts[chosen] += step
    return counts


def random_grouping(
    num_features: int,
    num_categories: int,
    *,
    seed: int,
    families: NDArray[np.int64] | None = None,
    counts: Mapping[int, int] | None = None,
) -> NDArray[np.int64]:
    """Assign features to categories at random; sizes differ by at most one.

    With families, each family is distributed over its own block of categories, as in `group_per_family`.

    Args:
        num_features: D.
        num_categories: G, of all families together.
        seed: Seed of the random order.
        families: Family number of each feature [D].
        counts: Number of categories of each family; by default proportional to its size.

    Returns:
        The category of each feature, int64 [D]; none is empty if there are enough features.

    Raises:
        ConfigError: A family has no count, or the counts do not add up to the number of categories.
    """
    if families is None:
        families, counts = np.zeros(num_features, dtype=np.int64), {0: num_categories}
    if counts is None:
        names, sizes = np.unique(families, return_counts=True)
        counts = share_categories(num_categories, dict(zip(names.tolist(), sizes.tolist(), strict=True)))
    if sum(counts.values()) != num_categories:
        raise ConfigError(f"counts add up to {sum(counts.values())}, not to {num_categories} categories")
    generator = np.random.default_rng(seed)
    grouping = np.zeros(num_features, dtype=np.int64)
    offset = 0
    for family in _all_families(families, counts):
        members = np.flatnonzero(families == family)
        grouping[generator.permutation(members)] = offset + np.arange(len(members)) % counts[family]
        offset += counts[family]
    return grouping


def grouping_from_names(groups: Mapping[str, Sequence[str]], features: Sequence[str]) -> NDArray[np.int64]:
    """Convert groups of feature names, given by the user, to a grouping.

    Args:
        groups: The features of each category; categories are numbered in this order.
        features: The names of all uploaded features, in their order.

    Returns:
        The category of each feature, int64 [D].

    Raises:
        ConfigError: A category names an unknown feature, or a feature is in several or in none.
    """
    category_of: dict[str, int] = {}
    repeated: list[str] = []
    for category, members in enumerate(groups.values()):
        for name in members:
            if name in category_of:
                repeated.append(name)
            category_of[name] = category
    known = set(features)
    complaints = {
        "unknown features": [name for name in category_of if name not in known],
        "features named more than once": repeated,
        "features in no category": [name for name in features if name not in category_of],
    }
    found = [f"{what}: {_listed(names)}" for what, names in complaints.items() if names]
    if found:
        raise ConfigError(f"groups must name every feature exactly once; {'; '.join(found)}")
    return np.array([category_of[name] for name in features], dtype=np.int64)


def logits_from_grouping(
    grouping: NDArray[np.int64],
    num_categories: int,
    *,
    confidence: float = START_CONFIDENCE,
    allowed: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Create assignment logits that favour a grouping without saturating.

    At temperature 1 a feature's own category has the probability `confidence`, for any number of
    categories, and its other allowed categories share the rest equally. Logits of categories that are not
    allowed are 0: the mask excludes them.

    Args:
        grouping: The category of each feature [D].
        num_categories: G.
        confidence: Strictly between 0 and 1.
        allowed: Which categories each feature may join [D, G]; by default all.

    Returns:
        Float32 [D, G].

    Raises:
        ConfigError: The confidence is out of range, or a feature starts in a category that does not
            exist or is not allowed.
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must be between 0 and 1, got {confidence}")
    if not ((grouping >= 0) & (grouping < num_categories)).all():
        raise ConfigError(f"the grouping must use categories 0 to {num_categories - 1}")
    feature = np.arange(len(grouping))
    if allowed is None:
        allowed = np.ones((len(grouping), num_categories), dtype=bool)
    if not allowed[feature, grouping].all():
        raise ConfigError("a feature starts in a category that it may not join")
    others = np.maximum(allowed.sum(axis=1) - 1, 1)
    logits = np.zeros((len(grouping), num_categories), dtype=np.float32)
    logits[feature, grouping] = np.log(confidence * others / (1 - confidence))
    return logits


def _all_families(families: NDArray[np.int64], counts: Mapping[int, int] | None) -> list[int]:
    """Return all families in order, including those without active features."""
    present = {int(family) for family in families}
    if counts is None:
        return sorted(present)
    uncounted = sorted(present - counts.keys())
    if uncounted:
        raise ConfigError(f"families without a number of categories: {uncounted}")
    return sorted(counts)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:MAX_NAMES_IN_ERROR])
    return (
        shown if len(names) <= MAX_NAMES_IN_ERROR else f"{shown} and {len(names) - MAX_NAMES_IN_ERROR} more"
    )
