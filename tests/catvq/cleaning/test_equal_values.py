import numpy as np

from catvq.cleaning.equal_values import MISSING, find_equal_values

rng = np.random.default_rng(0)
VALUES = rng.integers(0, 3, 400)


def found(*columns, threshold=0.99, families=None):
    return list(find_equal_values(np.stack(columns, axis=1), threshold, families))


def renamed(values, names):
    return np.where(values == MISSING, MISSING, np.array(names)[values])


def test_the_same_values_by_other_names_are_found_with_their_names():
    (equal,) = found(VALUES, rng.integers(0, 3, 400), renamed(VALUES, [2, 0, 1]))

    assert (equal.feature, equal.representative, equal.value_of) == (2, 0, {0: 2, 1: 0, 2: 1})


def test_a_few_rows_may_differ():
    other = VALUES.copy()
    other[0] = (other[0] + 1) % 3

    assert len(found(VALUES, other)) == 1
    assert not found(VALUES, other, threshold=1.0)
    other[:40] = (other[:40] + 1) % 3
    assert not found(VALUES, other)


def test_missing_values_have_to_be_missing_together():
    gaps = np.where(np.arange(400) % 5 == 0, MISSING, VALUES)

    assert found(gaps, renamed(gaps, [1, 2, 0]))[0].value_of == {0: 1, 1: 2, 2: 0}
    assert not found(VALUES, gaps)
    assert not found(gaps, np.where(gaps == MISSING, 0, np.where(gaps == 0, MISSING, gaps)))


def test_a_coarser_feature_repeats_nothing():
    assert not found(VALUES, np.minimum(VALUES, 1))
    assert not found(np.zeros(400, np.int64), np.zeros(400, np.int64))


def test_repetitions_stay_within_a_family():
    assert not found(VALUES, VALUES, families=np.array([0, 1]))
    assert [each.feature for each in found(VALUES, VALUES, VALUES, families=np.array([0, 1, 0]))] == [2]
