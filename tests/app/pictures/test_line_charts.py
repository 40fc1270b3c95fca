from app.pictures.line_charts import draw_metrics
from tests.app.pictures.pictures import NAMESPACE, read_svg, texts


def lines(drawing):
    return [
        path.get("d")
        for path in read_svg(drawing).iter(f"{NAMESPACE}path")
        if "#d0" not in path.get("stroke")
    ]


def test_each_metric_has_a_chart_with_its_range_and_last_value():
    drawing = draw_metrics([1, 2, 3], {"total": [4.0, 1.0, 2.0], "never": [None] * 3}, "job_1")
    assert texts(drawing) == ["job_1", "total", "2", "epoch 1", "1 to 4", "3"]
    assert lines(drawing) == ["M16.0 62.0h1.5L166.0 158.0L316.0 126.0"]


def test_a_line_is_interrupted_where_a_value_is_missing():
    drawing = draw_metrics([1, 2, 3, 4], {"a": [1.0, None, float("nan"), 2.0]}, "")
    assert lines(drawing)[0].count("M") == 2
    assert "nan" not in drawing.to_svg()


def test_a_constant_and_a_single_point_can_be_drawn():
    draw_metrics([1, 2], {"a": [3.0, 3.0]}, "")
    draw_metrics([7], {"a": [3.0]}, "")


def test_without_metrics_the_picture_says_so():
    assert texts(draw_metrics([], {}, "")) == ["no metrics yet"]


def test_the_number_of_charts_is_bounded():
    drawing = draw_metrics([1], {f"m{index}": [1.0] for index in range(100)}, "job_1")
    assert texts(drawing)[0] == "job_1 (40 more metrics)"
    assert len(lines(drawing)) == 60


def test_a_long_run_is_drawn_from_its_first_to_its_last_epoch_with_few_points():
    drawing = draw_metrics(list(range(1, 10_001)), {"a": [float(epoch) for epoch in range(10_000)]}, "")
    assert lines(drawing)[0].count("L") == 499
    assert texts(drawing)[2:] == ["9999", "epoch 1", "0 to 9999", "10000"]
