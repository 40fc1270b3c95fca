import pytest

from app.pictures.drawing import Drawing, fit, width_of
from tests.app.pictures.pictures import NAMESPACE, read_svg, texts

HOSTILE = [
    "</text><script>alert(1)</script>",
    '" onload="alert(1)',
    "&lt;b&gt; &amp; &#0;",
    "]]><![CDATA[",
    "a\x00b\x1bc\ud800d\ufffe",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name):
    drawing = Drawing(100, 50, name)
    drawing.text(1, 10, name)
    root = read_svg(drawing)
    assert {element.tag for element in root.iter()} == {
        f"{NAMESPACE}{tag}" for tag in ("svg", "rect", "text")
    }
    assert not any(attribute.startswith("on") for element in root.iter() for attribute in element.attrib)
    clean = name.replace("\x00", "\ufffd").replace("\x1b", "\ufffd")
    (shown,) = texts(drawing)
    assert shown == clean.replace("\ud800", "\ufffd").replace("\ufffe", "\ufffd")


def test_nothing_needs_a_style_that_a_strict_policy_would_refuse():
    drawing = Drawing(100, 50, "x")
    drawing.text(1, 10, "a", is_upright=True)
    drawing.rectangle(0, 0, 1, 1, "#000000")
    assert "style" not in drawing.to_svg()


def test_long_names_are_shortened_in_the_middle_and_stay_apart():
    first, second = (fit(f"{'x' * 500}{end}", 100) for end in ("1", "2"))
    assert first != second
    assert len(first) == 15
    assert fit("short", 100) == "short"
    assert len(fit("長" * 30, 100)) == 7, "wide characters take the room of two"


def test_a_width_is_bounded():
    assert width_of(["ab", "abcd"], 1000) == pytest.approx(4 * 0.62 * 11)
    assert width_of(["a" * 10_000], 200) == 200
    assert width_of([], 200) == 0
