import numpy as np
import pytest

from examples.digits import fourier, gradients, load_digit_table, moments, pixels, projections


def image(*lines):
    return np.array([[[float(cell) for cell in line] for line in lines]])


BLANK = "00000000"
STROKE = image(BLANK, BLANK, "00040000", "00040000", "00040000", "00040000", BLANK, BLANK)


@pytest.fixture(scope="module")
def table():
    return load_digit_table()


def test_the_table_has_five_families_of_numbers(table):
    families = ("pixels", "fourier", "gradients", "projections", "moments")
    assert [len(table.columns_of(family)) for family in families] == [64, 34, 32, 16, 12]
    assert table.values.shape == (1797, 158) == (len(table.labels), len(set(table.columns)))
    assert table.values.dtype == np.float32
    assert np.isfinite(table.values).all()


def test_the_table_is_the_same_each_time(table):
    assert load_digit_table().values.tobytes() == table.values.tobytes()


def test_pixels_are_the_images(table):
    names = table.columns_of("pixels")
    assert names == list(table.columns[:64])
    assert pixels(STROKE)["r2c3"] == [4.0]
    assert table.values[:, :64].max() == 16


def test_no_two_fourier_features_are_copies(table):
    values = table.values[:, [table.columns.index(name) for name in table.columns_of("fourier")]]
    correlations = np.corrcoef(values.T) - np.eye(values.shape[1])
    assert np.abs(correlations).max() < 0.99


def test_the_fourier_features_hold_all_distinct_magnitudes():
    random = np.random.default_rng(0).normal(size=(1, 8, 8))
    every = np.abs(np.fft.fft2(random[0])).ravel()
    kept = np.concatenate(list(fourier(random).values()))
    assert {round(value, 6) for value in every} == {round(value, 6) for value in kept}
    assert fourier(STROKE)["u0v0"] == pytest.approx([16.0])


def test_gradients_point_towards_the_ink():
    found = gradients(STROKE)
    left, right = (
        found["r0c0a0"][0],
        found["r0c1a4"][0],
    )  # rightwards left of the stroke, leftwards right of it
    assert left > 0
    assert right > 0
    assert found["r0c0a4"][0] == 0
    assert sum(column[0] for column in found.values()) == pytest.approx(
        np.hypot(*np.gradient(STROKE[0])).sum()
    )


def test_projections_add_up_the_ink():
    found = projections(STROKE)
    assert found["column3"] == [16.0]
    assert [found[f"row{row}"][0] for row in range(8)] == [0, 0, 4, 4, 4, 4, 0, 0]


def test_moments_describe_where_and_how_the_ink_lies():
    found = {name: column[0] for name, column in moments(STROKE).items()}
    assert found["area"] == 16
    assert (found["centerright"], found["centerdown"]) == (3.0, 3.5)
    assert (found["mu20"], found["mu11"], found["mu02"]) == (0.0, 0.0, 1.25)
    assert found["elongation"] == 1
    assert found["slant"] == pytest.approx(np.pi / 2)
