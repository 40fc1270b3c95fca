import subprocess
import sys

import pytest

from app.formats import Format
from app.pictures.drawing import Drawing
from app.pictures.render import render
from tests.app.pictures.pictures import png_size

MEMORY = """
import app.main, psutil
from app.formats import Format
from app.pictures.drawing import note
from app.pictures.render import render
assert not any("resvg" in name for name in __import__("sys").modules)
before = psutil.Process().memory_info().rss
render(note("x"), Format.PNG)
print((psutil.Process().memory_info().rss - before) >> 20)
"""


def test_a_png_has_the_drawings_size_and_its_text():
    blank, written = (Drawing(120, 40, "x") for _ in range(2))
    written.text(5, 20, "größe Ω μ")
    assert png_size(render(written, Format.PNG)) == (120, 40)
    assert render(written, Format.PNG) != render(blank, Format.PNG)


@pytest.mark.parametrize("name", ["長さ", "مرحبا", "𝄞"])
def test_scripts_that_the_own_font_lacks_can_be_drawn(name):
    drawing = Drawing(60, 40, name)
    drawing.text(5, 20, name)
    assert png_size(render(drawing, Format.PNG)) == (60, 40)


def test_pictures_add_less_than_10_mb_to_a_process_and_nothing_before_the_first():
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 10
