import numpy as np

from app.pictures.heat_map import SHADES, draw_assignment
from tests.app.pictures.pictures import NAMESPACE, read_svg, texts


def one_hot(places, categories):
    return np.eye(categories, dtype=np.float32)[places]


def cells(drawing):
    """How many boxes there are of each shade."""
    paths = read_svg(drawing).iter(f"{NAMESPACE}path")
    return {path.get("fill"): path.get("d").count("M") for path in paths if path.get("fill") != "none"}


def test_features_are_sorted_by_their_category_and_labelled():
    drawing = draw_assignment(["a", "b", "c"], ["x", "y"], one_hot([1, 0, 1], 2), "epoch 3")
    assert texts(drawing)[:6] == ["epoch 3", "b", "a", "c", "x", "y"]
    assert list(cells(drawing).values()) == [3]


def test_a_shade_is_proportional_to_the_share():
    drawing = draw_assignment(["a"], ["x", "y", "z"], np.array([[1, 0.5, 0]], np.float32), "")
    assert list(cells(drawing)) == ["#7da8d3", "#0b5cad"]


def test_a_picture_stays_small_however_many_features_and_categories_there_are():
    random = np.random.default_rng(0)
    matrix = random.random((10_000, 400), np.float32)
    drawing = draw_assignment([f"f{i}" for i in range(10_000)], [f"c{i}" for i in range(400)], matrix, "")
    assert max(drawing.width, drawing.height) < 1000
    assert sum(cells(drawing).values()) <= 16_000
    assert len(drawing.to_svg()) < 600_000
    assert any("mean of about" in (text or "") for text in texts(drawing))


def test_neighbours_are_averaged_with_equal_weight():
    features = [str(index) for index in range(1000)]
    drawing = draw_assignment(features, ["x", "y"], one_hot([0] * 500 + [1] * 500, 2), "")
    assert list(cells(drawing).values()) == [400], "each of 400 bands is in one category"


def test_shares_outside_of_their_range_do_no_harm():
    drawing = draw_assignment(["a", "b"], ["x"], np.array([[np.nan], [7]], np.float32), "")
    assert sum(cells(drawing).values()) == 1
    assert SHADES == 16
