"""Writes a drawing as SVG or PNG."""

from pathlib import Path
from threading import Lock

from app.formats import Format
from app.pictures.drawing import Drawing

FONT_FILE = Path(__file__).parent / "font" / "DejaVuSans.ttf"
_one_at_a_time = Lock()  # the pixels of a large picture take 20 MB


def render(drawing: Drawing, file_format: Format) -> bytes:
    """Return the bytes of a picture."""
    svg = drawing.to_svg()
    if file_format is Format.SVG:
        return svg.encode()
    import resvg_py  # noqa: PLC0415 - only who asks for a PNG needs it

    with _one_at_a_time:
        return resvg_py.svg_to_bytes(
            svg_string=svg,
            # Looking for the system's fonts takes long, and makes pictures differ between machines.
            skip_system_fonts=all(map(_is_in_font, set(svg))),
            font_files=[str(FONT_FILE)],
        )


def _is_in_font(character: str) -> bool:
    return character < "\u0530" or "\u2010" <= character <= "\u22ff"
