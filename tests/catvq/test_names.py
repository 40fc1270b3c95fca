"""Names hold what can be seen, in any script."""

import unicodedata

import pytest
from pydantic import TypeAdapter, ValidationError

from catvq.names import Name, escape_hidden, hidden_character
from worker.contract.job_config import LabelValue

BIDI_CLASSES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
BIDI_MARKS = {"\N{LEFT-TO-RIGHT MARK}", "\N{RIGHT-TO-LEFT MARK}", "\N{ARABIC LETTER MARK}"}


def is_forbidden(character):
    """By what Unicode says of the character."""
    return (
        unicodedata.category(character) in {"Cc", "Zl", "Zp", "Cs"}
        or unicodedata.bidirectional(character) in BIDI_CLASSES
        or character in BIDI_MARKS
        or character in "\u200b\u2060\ufeff"  # of no width
    )


def test_exactly_controls_separators_and_marks_of_direction_or_no_width_are_hidden():
    every = [chr(code) for code in range(0x110000)]
    assert {c for c in every if hidden_character(c)} == {c for c in every if is_forbidden(c)}


def test_hidden_characters_are_written_as_escapes_and_all_others_stay():
    assert escape_hidden("a\u202eb\n\ud800\N{GRINNING FACE}é") == "a\\u202eb\\u000a\\ud800\N{GRINNING FACE}é"


@pytest.mark.parametrize(
    "name",
    ["Größe", "長さ", "\N{GRINNING FACE}", "a b", "-log10(p)", "שם", "می\N{ZERO WIDTH NON-JOINER}خواهم"],
)
def test_names_of_every_script_are_accepted(name):
    assert TypeAdapter(Name).validate_python(name) == name
    assert TypeAdapter(LabelValue).validate_python(name) == name


@pytest.mark.parametrize("kind", [Name, LabelValue])
@pytest.mark.parametrize("name", ["\n", "a\N{RIGHT-TO-LEFT OVERRIDE}", "x\ud800", "x" * 201])
def test_other_names_and_labels_are_refused(kind, name):
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(name)
