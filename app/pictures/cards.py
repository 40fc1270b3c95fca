"""Draws a grouping as cards: one for each category, with the names of its features."""

from collections.abc import Mapping
from typing import Any

from app.pictures.drawing import FAINT, LINE, MARGIN, Drawing, fit

MAX_CARDS, MAX_NAMES = 60, 400
COLUMNS = 4
WIDTH, GAP, LINE_HEIGHT = 250, 14, 16
HEAD, PADDING = 30, 10
DOUBTFUL = 0.9  # a share below is written beside the name
FAMILY_COLOURS = ("#0b5cad", "#c4501b", "#2b8a3e", "#7b3fa0", "#b8860b", "#c2255c", "#0c8599", "#5c5f66")


def draw_grouping(grouping: Mapping[str, Any]) -> Drawing:
    """Draw a grouping, as `GET /v1/models/{id}/grouping` answers with it.

    Families are told apart by colours; a share is given where it is below 90%.
    """
    features = {feature["name"]: feature for feature in grouping["features"]}
    categories = grouping["categories"][:MAX_CARDS]
    names_on_a_card = max(3, min(40, MAX_NAMES // max(1, len(categories))))
    families = list(dict.fromkeys(feature["family"] for feature in grouping["features"]))
    colours = {name: FAMILY_COLOURS[place % len(FAMILY_COLOURS)] for place, name in enumerate(families)}
    columns = max(1, min(COLUMNS, len(categories)))
    ends = [float(MARGIN + 28)] * columns
    places: list[tuple[int, float]] = []
    for category in categories:
        column = ends.index(min(ends))
        places.append((column, ends[column]))
        ends[column] += _height(len(category["features"]), names_on_a_card) + GAP
    drawing = Drawing(
        max(420, 2 * MARGIN + columns * (WIDTH + GAP) - GAP),
        max(ends) + MARGIN,
        f"Grouping of {grouping['model']}",
    )
    drawing.text(MARGIN, MARGIN + 12, _title(grouping, len(categories)), size=13)
    for (column, top), category in zip(places, categories, strict=True):
        left = MARGIN + column * (WIDTH + GAP)
        members = [features[name] for name in category["features"][:names_on_a_card]]
        height = _height(len(category["features"]), names_on_a_card)
        drawing.path(f"M{left} {top}h{WIDTH}v{height}h{-WIDTH}z", stroke=LINE)
        drawing.text(left + PADDING, top + 19, fit(category["name"], WIDTH - 70), size=12)
        count = str(len(category["features"]))
        drawing.text(left + WIDTH - PADDING, top + 19, count, fill=FAINT, anchor="end")
        _draw_names(drawing, left, top, members, colours if len(families) > 1 else {})
        if hidden := len(category["features"]) - len(members):
            base = top + HEAD + LINE_HEIGHT * (len(members) + 1) - 5
            drawing.text(left + PADDING, base, f"and {hidden} more", fill=FAINT)
    return drawing


def _draw_names(
    drawing: Drawing, left: float, top: float, members: list[dict[str, Any]], colours: Mapping[str, str]
) -> None:
    for line, feature in enumerate(members, 1):
        base = top + HEAD + LINE_HEIGHT * line - 5
        indent = 12 if colours else 0
        if colours:
            drawing.rectangle(left + PADDING, base - 8, 7, 7, colours[feature["family"]])
        drawing.text(left + PADDING + indent, base, fit(feature["name"], WIDTH - 2 * PADDING - indent - 34))
        if feature["confidence"] < DOUBTFUL:
            share = f"{feature['confidence']:.0%}"
            drawing.text(left + WIDTH - PADDING, base, share, fill=FAINT, anchor="end")


def _title(grouping: Mapping[str, Any], shown: int) -> str:
    count = len(grouping["categories"])
    which = f"{count} categories" if shown == count else f"the first {shown} of {count} categories"
    return f"{grouping['model']}: {which}, {len(grouping['features'])} features"


def _height(features: int, most: int) -> int:
    return HEAD + LINE_HEIGHT * (min(features, most) + (features > most)) + PADDING
