import numpy as np
import pytest

from catvq.cleaning.cleaner import FeatureCleaner
from catvq.config import AssignmentSettings, CleaningSettings
from catvq.errors import ConfigError
from catvq.grouping.together import check_sets, leaders, set_of_feature, tie

FEATURES = ("a_1", "a_2", "b", "c", "d")


def sets(*patterns):
    return set_of_feature(FEATURES, AssignmentSettings(together=patterns))


def test_sets_are_names_and_globs():
    assert sets(("a_*", "c"), ("d",)).tolist() == [1, 1, 0, 1, 2]
    assert sets().tolist() == [0] * 5


@pytest.mark.parametrize("patterns", [(("a_*",), ("a_1", "b")), (("e*",),)])
def test_sets_that_overlap_or_are_empty_are_refused(patterns):
    with pytest.raises(ConfigError, match=r"together"):
        sets(*patterns)


def test_a_set_within_one_part_is_fine_and_another_is_not():
    check_sets(sets(("a_*",)), np.array([0, 0, 1, 1, 1]), "two")
    with pytest.raises(ConfigError, match="set 1 of together is spread over two"):
        check_sets(sets(("b", "a_2")), np.array([0, 0, 1, 1, 1]), "two")


def test_a_set_follows_its_first_feature_that_varies():
    values = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    values[:, 0] = 3
    cleaner = FeatureCleaner.fit(values, CleaningSettings())

    leader = leaders(sets(("a_*", "c")), cleaner)

    assert leader.tolist() == [1, 1, 2, 1, 4]
    assert leaders(sets(("b",)), cleaner) is None


def test_a_set_goes_where_most_of_it_would():
    leader = np.array([0, 0, 0, 3])

    assert tie(np.array([2, 1, 1, 0]), leader).tolist() == [1, 1, 1, 0]
    assert tie(np.array([2, 1, 1, 0]), None).tolist() == [2, 1, 1, 0]
