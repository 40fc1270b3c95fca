"""Draws an assignment as a heat map: one row for each feature, one column for each category.

D features, G categories; neighbours are averaged where there are more than a picture shows.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.pictures.drawing import ACCENT, FAINT, LINE, MARGIN, Drawing, fit, number, width_of

MAX_ROWS, MAX_COLUMNS, MAX_CELLS = 400, 100, 16_000
MAP_WIDTH, MAP_HEIGHT = 640, 640  # about, where there are many cells
LABELLED = 9  # pixels that a row or column must have to be labelled
LABEL_WIDTH = 200
SHADES = 16

Matrix = NDArray[np.float32]


def draw_assignment(
    features: Sequence[str | None], categories: Sequence[str], matrix: Matrix, title: str
) -> Drawing:
    """Draw an assignment; features are sorted by their category.

    Args:
        features: D names.
        categories: G names, at least one.
        matrix: Shares [D, G], from 0 to 1.
        title: The first line.
    """
    order = np.lexsort((-matrix.max(axis=1), matrix.argmax(axis=1)))
    columns = min(len(categories), MAX_COLUMNS)
    rows = min(len(features), MAX_ROWS, MAX_CELLS // columns)
    cells = _averaged(_averaged(matrix[order], rows).T, columns).T
    height = float(np.clip(MAP_HEIGHT / rows, 1.5, 18))
    width = float(np.clip(MAP_WIDTH / columns, 6, 44))
    row_names = [features[place] or "" for place in order] if rows == len(features) else []
    column_names = list(categories) if columns == len(categories) else []
    row_names = row_names if height >= LABELLED else []
    column_names = column_names if width >= LABELLED else []
    left = MARGIN + width_of(row_names, LABEL_WIDTH) + 6
    top = MARGIN + 28 + width_of(column_names, LABEL_WIDTH) + 6
    drawing = Drawing(
        max(left + width * columns, 420) + MARGIN, top + height * rows + 44 + MARGIN, f"Assignment: {title}"
    )
    drawing.text(MARGIN, MARGIN + 12, title, size=13)
    for place, name in enumerate(row_names):
        drawing.text(left - 6, top + height * (place + 0.5) + 4, fit(name, LABEL_WIDTH), anchor="end")
    for place, name in enumerate(column_names):
        drawing.text(left + width * (place + 0.5) + 4, top - 6, fit(name, LABEL_WIDTH), is_upright=True)
    _draw_cells(drawing, cells, left, top, width, height)
    merged = len(features) / rows, len(categories) / columns
    _draw_legend(drawing, left, top + height * rows + 24, merged)
    return drawing


def _averaged(values: Matrix, count: int) -> Matrix:
    """Return `count` rows, each the mean of neighbours."""
    if len(values) == count:
        return values
    edges = np.linspace(0, len(values), count + 1).astype(int)[:-1]
    sizes = np.diff([*edges, len(values)])[:, np.newaxis]
    means: Matrix = (np.add.reduceat(values, edges, axis=0) / sizes).astype(np.float32)
    return means


def _draw_cells(
    drawing: Drawing, cells: Matrix, left: float, top: float, width: float, height: float
) -> None:
    """Draw all cells of one shade as one path."""
    rows, columns = cells.shape
    drawing.path(_box(left, top, width * columns, height * rows), stroke=LINE)
    shades = np.round(np.nan_to_num(cells) * (SHADES - 1)).astype(int).clip(0, SHADES - 1)
    for shade in range(1, SHADES):
        places = np.argwhere(shades == shade).tolist()
        boxes = [_box(left + width * column, top + height * row, width, height) for row, column in places]
        if boxes:
            drawing.path("".join(boxes), fill=_colour(shade))


def _draw_legend(drawing: Drawing, left: float, top: float, merged: tuple[float, float]) -> None:
    for shade in range(SHADES):
        drawing.rectangle(left + 10 * shade, top, 10, 10, _colour(shade))
    drawing.path(_box(left, top, 10 * SHADES, 10), stroke=LINE)
    drawing.text(left, top + 24, "0", fill=FAINT)
    drawing.text(left + 10 * SHADES, top + 24, "1", fill=FAINT, anchor="end")
    if max(merged) > 1:
        said = f"a cell: the mean of about {number(merged[0])} features, {number(merged[1])} categories"
        drawing.text(left + 10 * SHADES + 16, top + 9, said, fill=FAINT)


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"M{x:.6g} {y:.6g}h{width:.6g}v{height:.6g}h{-width:.6g}z"


def _colour(shade: int) -> str:
    """Return a colour between white and the accent."""
    share = shade / (SHADES - 1)
    parts = (int(ACCENT[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 + share * (part - 255)):02x}" for part in parts)
