"""What tests of pictures read from them."""

import struct
from xml.etree import ElementTree as ET

NAMESPACE = "{http://www.w3.org/2000/svg}"


def read_svg(drawing):
    """The root of a drawing, which is well-formed XML."""
    return ET.fromstring(drawing.to_svg())


def texts(drawing):
    return [element.text for element in read_svg(drawing).iter(f"{NAMESPACE}text")]


def png_size(content):
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", content[16:24])
