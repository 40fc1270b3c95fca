import numpy as np
import pytest

from catvq.comparison.classical_codecs import principal_components, residual_k_means


def error_of(codec, train, test, *args, **settings):
    return np.square(codec(train, test, *args, **settings) - test).mean(axis=1)


@pytest.fixture
def rows():
    """Rows of two causes with three features each."""
    random = np.random.default_rng(0)
    causes = random.normal(size=(1500, 2)).repeat(3, axis=1)
    values = causes + 0.2 * random.normal(size=causes.shape)
    values = (values / values.std(axis=0)).astype(np.float32)
    return values[:1000], values[1000:]


GROUPS = [np.arange(3), np.arange(3, 6)]


def test_more_levels_and_more_codes_leave_less_error(rows):
    errors = [
        error_of(residual_k_means, *rows, GROUPS, codes=codes, seed=0).mean()
        for codes in ([4], [16], [16, 16])
    ]

    assert errors[0] > errors[1] > errors[2] > 0


def test_every_test_row_has_an_error_of_its_own(rows):
    train, test = rows
    test = np.concatenate([test, 100 + test[:1]])

    for errors in (
        error_of(residual_k_means, train, test, GROUPS, codes=[8, 8], seed=0),
        error_of(principal_components, train, test, bits=12, seed=0),
    ):
        assert errors.shape == (501,)
        assert errors.argmax() == 500


def test_the_right_groups_do_better_than_mixed_ones_at_equal_bits(rows):
    mixed = [np.array([0, 1, 3]), np.array([2, 4, 5])]

    right, wrong = (
        error_of(residual_k_means, *rows, groups, codes=[16], seed=0) for groups in (GROUPS, mixed)
    )

    assert right.mean() < wrong.mean()


def test_bits_go_to_the_components_that_vary(rows):
    """Two causes: 12 bits rebuild them, and leave the noise of six features."""
    error = error_of(principal_components, *rows, bits=12, seed=0).mean()

    assert 0.01 < error < 0.06
    assert error_of(principal_components, *rows, bits=1000, seed=0).mean() < 0.001


def test_few_distinct_rows_are_no_trouble():
    rows = np.repeat(np.eye(3, dtype=np.float32), 2, axis=0)

    assert error_of(residual_k_means, rows, rows, [np.arange(3)], codes=[32, 32], seed=0).max() < 0.01
    assert error_of(principal_components, rows, rows, bits=30, seed=0).max() < 0.01
