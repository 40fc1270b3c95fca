"""A drawing of rectangles, paths and text, written as SVG.

Only presentation attributes are used, no styles, so that a strict content security policy leaves it as it is.
"""

import re
from collections.abc import Iterable
from unicodedata import east_asian_width
from xml.sax.saxutils import escape, quoteattr

INK, FAINT, LINE, PAPER, ACCENT = "#1b1f24", "#6a737d", "#d0d7de", "#ffffff", "#0b5cad"
FONT = "DejaVu Sans"
TEXT_SIZE = 11
MARGIN = 16
CELL = 0.62  # of the size of text: the width of a usual character
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Drawing:
    """A picture of a given size in pixels; the origin is at the top left.

    Args:
        title: What it shows, also for readers who do not see it.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width, self.height = round(width), round(height)
        self._title = title
        self._elements: list[str] = []

    def rectangle(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        """Draw a filled rectangle."""
        self._elements.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}"/>'
        )

    def path(self, commands: str, *, fill: str = "none", stroke: str = "none", width: float = 1) -> None:
        """Draw a path, given in SVG's path commands."""
        look = f'fill="{fill}" stroke="{stroke}" stroke-width="{width:g}"'
        self._elements.append(f'<path d="{commands}" {look}/>')

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = TEXT_SIZE,
        fill: str = INK,
        anchor: str = "start",
        is_upright: bool = False,
    ) -> None:
        """Write text at its baseline, or from the bottom to the top."""
        turn = f' transform="rotate(-90 {x:g} {y:g})"' if is_upright else ""
        look = f'font-size="{size:g}" fill="{fill}" text-anchor="{anchor}"'
        self._elements.append(f'<text x="{x:g}" y="{y:g}" {look}{turn}>{escape(_clean(text))}</text>')

    def to_svg(self) -> str:
        """Return the picture as an SVG document."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}" font-family="{FONT}, Verdana, sans-serif" '
            f'role="img" aria-label={quoteattr(_clean(self._title))}>'
        )
        paper = f'<rect width="{self.width}" height="{self.height}" fill="{PAPER}"/>'
        return "".join((head, paper, *self._elements, "</svg>\n"))


def fit(text: str, width: float, size: float = TEXT_SIZE) -> str:
    """Return a text that is at most so many pixels wide, shortened in the middle where it is longer."""
    most = max(3, round(width / (CELL * size)))
    cells = [_cells(character) for character in text[: 4 * most]]
    if len(text) <= 4 * most and sum(cells) <= most:
        return text
    share = most if sum(cells) <= len(cells) else most // 2
    tail = (share - 1) // 2
    return f"{text[: share - 1 - tail]}…{text[len(text) - tail :]}"


def width_of(texts: Iterable[str], most: float) -> float:
    """Return the width in pixels of the longest of these texts, about, and not more than `most`."""
    longest = max((sum(map(_cells, text)) for text in texts), default=0)
    return min(most, longest * CELL * TEXT_SIZE)


def number(value: float) -> str:
    """Write a number with four significant digits."""
    return f"{value:.4g}"


def note(text: str) -> Drawing:
    """Return a picture that says why there is nothing to draw."""
    drawing = Drawing(480, 80, text)
    drawing.text(240, 44, text, fill=FAINT, anchor="middle")
    return drawing


def _cells(character: str) -> int:
    return 2 if east_asian_width(character) in "WF" else 1


def _clean(text: str) -> str:
    """Replace what XML cannot hold."""
    return _NO_XML.sub("\ufffd", text)
