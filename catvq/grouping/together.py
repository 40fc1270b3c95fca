"""Sets of features that stay in one category: which feature each of a set follows, and groupings that obey.

A feature that follows another has its assignment, from the start to the freeze.

Shapes: D uploaded features, D' active ones.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.cleaning.kept_columns import CONSTANT
from catvq.config import AssignmentSettings
from catvq.errors import ConfigError

Grouping = NDArray[np.int64]


def set_of_feature(features: Sequence[str], assignment: AssignmentSettings) -> Grouping:
    """The set of each uploaded feature, int64 [D], from 1; 0 in none.

    Raises:
        ConfigError: A set has no feature, or two have the same one.
    """
    place = {name: index for index, name in enumerate(features)}
    found = np.zeros(len(features), dtype=np.int64)
    for number, members in enumerate(assignment.sets_of(features), start=1):
        if not members:
            raise ConfigError(f"set {number} of together has no feature")
        own = [place[name] for name in members]
        if found[own].any():
            raise ConfigError("a feature is in two sets of together")
        found[own] = number
    return found


def check_sets(sets: Grouping, parts: Grouping, what: str) -> None:
    """Check that no set is spread over parts of the features, int64 [D] each.

    Raises:
        ConfigError: One is, over `what`.
    """
    for number in range(1, int(sets.max(initial=0)) + 1):
        if len(np.unique(parts[sets == number])) > 1:
            raise ConfigError(f"set {number} of together is spread over {what}")


def leaders(sets: Grouping, cleaner: FeatureCleaner) -> Grouping | None:
    """The feature that each uploaded feature follows, int64 [D]; None where none follows another.

    A set follows its first feature that is kept, or stands on another; its first where all are constant.
    """
    leader = np.arange(len(sets))
    for number in range(1, int(sets.max(initial=0)) + 1):
        members = np.flatnonzero(sets == number)
        varying = members[cleaner.stands_on[members] != CONSTANT]
        leader[members] = varying[0] if len(varying) else members[0]
    return None if (leader == np.arange(len(sets))).all() else leader


def tie(grouping: Grouping, leader: Grouping | None) -> Grouping:
    """Give all features that follow one the category that most of them have; the lower one wins a tie.

    Args:
        grouping: int64 [D'].
        leader: int64 [D'], the feature that each follows.
    """
    if leader is None:
        return grouping
    tied = grouping.copy()
    for first in np.unique(leader):
        members = leader == first
        tied[members] = np.bincount(grouping[members]).argmax()
    return tied
