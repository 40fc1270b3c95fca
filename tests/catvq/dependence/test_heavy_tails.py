import numpy as np
import pytest
from scipy.stats import chi2

from catvq.dependence.heavy_tails import tempered


def test_tails_no_heavier_than_normal_leave_squares_as_they_are():
    squares = np.array([0.0, 1, 30])

    assert tempered(squares, np.array([1.0, 2.25, 3]), rows=100).tolist() == squares.tolist()


def test_squares_shrink_as_worked_out_by_hand():
    small = tempered(np.array([4.0]), np.array([28.0]), rows=100)  # b = 0.5, b x = 1
    large = tempered(np.array([36.0]), np.array([403.0]), rows=100)  # b = 2, b x = 12

    assert small == pytest.approx(4 / (1 + 1 / 12))
    assert large == pytest.approx(36 / (1 + 12 / 3))


def test_a_larger_square_stays_the_larger_and_none_grows():
    squares = np.linspace(0, 400, 1000)
    for kurtosis in (3, 10, 1000, 1e6):
        found = tempered(squares, np.full(1000, kurtosis), rows=50)
        assert (np.diff(found) > 0).all()
        assert (found <= squares).all()


def test_more_rows_make_a_mean_normal():
    assert tempered(np.array([25.0]), np.array([50.0]), rows=10**7) == pytest.approx(25, rel=1e-4)


def test_coincidences_of_rare_values_are_not_rarer_than_they_are():
    rows, part, tables = 300, 0.02, 200_000
    together = np.random.default_rng(0).binomial(rows, part**2, tables)
    deviation = (together / rows - part**2) * np.sqrt(rows) / (part * (1 - part))
    kurtosis = ((1 - 3 * part * (1 - part)) / (part * (1 - part))) ** 2
    squares = tempered(np.square(deviation), np.full(tables, kurtosis), rows=rows)

    for chance in (0.01, 1e-3, 1e-4):
        assert (chi2.sf(squares, 1) < chance).mean() <= chance
    assert (chi2.sf(np.square(deviation), 1) < 1e-4).mean() > 0.005  # untempered, fifty times too often
