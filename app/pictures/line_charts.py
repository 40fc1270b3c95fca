"""Draws metrics as small charts, one for each, over the epochs."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from app.pictures.drawing import ACCENT, FAINT, LINE, MARGIN, Drawing, fit, note, number

MAX_CHARTS = 60
MAX_POINTS = 500  # of one chart
COLUMNS = 3
WIDTH, HEIGHT, GAP = 300, 130, 24  # of a chart

Series = Sequence[float | None]


def draw_metrics(epochs: Sequence[int], series: Mapping[str, Series], title: str) -> Drawing:
    """Draw each series over the epochs, with the range of its values.

    Args:
        epochs: In rising order.
        series: Values of each metric, one for each epoch; None where there is none.
        title: The first line.
    """
    if len(epochs) > MAX_POINTS:
        places = np.linspace(0, len(epochs) - 1, MAX_POINTS).round().astype(int).tolist()
        thinned = {name: [values[place] for place in places] for name, values in series.items()}
        return draw_metrics([epochs[place] for place in places], thinned, title)
    known = {name: values for name, values in series.items() if any(map(_is_number, values))}
    shown = dict(list(known.items())[:MAX_CHARTS])
    if not shown:
        return note("no metrics yet")
    columns = min(COLUMNS, len(shown))
    lines = math.ceil(len(shown) / columns)
    top = MARGIN + 28
    drawing = Drawing(
        2 * MARGIN + columns * (WIDTH + GAP) - GAP, top + lines * (HEIGHT + GAP) + MARGIN, f"Metrics: {title}"
    )
    left_out = f" ({len(known) - len(shown)} more metrics)" if len(known) > len(shown) else ""
    drawing.text(MARGIN, MARGIN + 12, f"{title}{left_out}", size=13)
    for place, (name, values) in enumerate(shown.items()):
        x = MARGIN + place % columns * (WIDTH + GAP)
        y = top + place // columns * (HEIGHT + GAP)
        _draw_chart(drawing, x, y, name, epochs, values)
    return drawing


def _draw_chart(
    drawing: Drawing, left: float, top: float, name: str, epochs: Sequence[int], values: Series
) -> None:
    numbers = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min(numbers), max(numbers)
    drawing.text(left, top + 10, fit(name, WIDTH - 90))
    drawing.text(left + WIDTH, top + 10, number(numbers[-1]), anchor="end")
    plot_top, plot_height = top + 18, HEIGHT - 34
    bottom = plot_top + plot_height
    drawing.path(f"M{left} {plot_top}V{bottom}H{left + WIDTH}", stroke=LINE)
    drawing.text(left, bottom + 13, f"epoch {epochs[0]}", size=9, fill=FAINT)
    between = f"{number(low)} to {number(high)}"
    drawing.text(left + WIDTH / 2, bottom + 13, between, size=9, fill=FAINT, anchor="middle")
    drawing.text(left + WIDTH, bottom + 13, str(epochs[-1]), size=9, fill=FAINT, anchor="end")
    across, up = max(1, epochs[-1] - epochs[0]), (high - low) or 1.0
    points = [
        f"{left + WIDTH * (epoch - epochs[0]) / across:.1f} {bottom - plot_height * (value - low) / up:.1f}"
        if value is not None and math.isfinite(value)
        else None
        for epoch, value in zip(epochs, values, strict=True)
    ]
    drawing.path(_line(points), stroke=ACCENT, width=1.5)


def _line(points: Sequence[str | None]) -> str:
    """Return the commands of a line that is interrupted where there is no point; a single point is a dot."""
    commands, is_drawing = [], False
    for point in points:
        if point is not None:
            commands.append(f"L{point}" if is_drawing else f"M{point}h1.5")
        is_drawing = point is not None
    return "".join(commands)


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
