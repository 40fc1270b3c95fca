"""The query of an upload is checked, and what is wrong with it is named by parameter."""

import pytest

from app.problems import InvalidError
from app.tables.columns.options import KINDS, ReadOptions, parse_options


def test_nothing_said_is_the_default():
    assert parse_options({}) == ReadOptions()


def test_everything_said_is_read():
    options = parse_options(
        {
            "types": '{"id": "key", "x": "categorical"}',
            "include": '["a_*", "b"]',
            "exclude": '["a_1"]',
            "na_values": '["-", -999, 0.5]',
            "delimiter": "tab",
            "decimal": ",",
            "date_order": "day",
            "header": "absent",
            "columns": '["a", "b"]',
        }
    )
    assert options == ReadOptions(
        types={"id": "key", "x": "categorical"},
        include=("a_*", "b"),
        exclude=("a_1",),
        na_values=("-", -999, 0.5),
        delimiter="\t",
        decimal=",",
        date_order="day",
        has_header=False,
        columns=("a", "b"),
    )
    assert options.missing_numbers == (-999, 0.5)
    assert "-" in options.missing_words


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_type(kind):
    assert parse_options({"types": f'{{"x": "{kind}"}}'}).types == {"x": kind}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("types", value) for value in ("", "[]", "{", '{"x": "text"}', '{"x": ["key"]}', '{"x": null}')),
        *(("include", value) for value in ("a", "{}", "[1]", '"a"', "null", '["a"')),
        *(("exclude", value) for value in ("a", "{}", "[1]", '"a"', "null", "[[]]")),
        *(("na_values", value) for value in ("-", "{}", "[true]", "[null]", "[[]]", "[NaN]", "-999")),
        *(("delimiter", value) for value in ("", ";;", "a", "1", '"', "\n", "\r", "\x00", "\u00e9")),
        *(("decimal", value) for value in ("", ";", "..", "\u00b7")),
        *(("date_order", value) for value in ("days", "dmy")),
        *(("header", value) for value in ("", "none", "0", "Absent")),
        *(("columns", value) for value in ("a,b", "{}", "[1]", '"a"', "null")),
    ],
)
def test_a_parameter_of_another_form_is_named(name, value):
    if name in {"decimal", "header"} and not value:
        assert parse_options({name: value}) == ReadOptions()
        return
    with pytest.raises(InvalidError) as caught:
        parse_options({name: value})
    assert caught.value.places[0].field == name


@pytest.mark.parametrize("delimiter", [";", "|", "\t", "\\t", "tab", ",", " ", ":"])
def test_one_character_is_a_delimiter(delimiter):
    assert len(parse_options({"delimiter": delimiter}).delimiter) == 1


@pytest.mark.parametrize(
    "options",
    [
        ReadOptions(),
        ReadOptions(types={"x": "key"}, include=(), exclude=("a", "\u00e9"), na_values=("-", 1, 0.5)),
        ReadOptions(delimiter="\t", decimal=",", date_order="month", has_header=False, columns=("a",)),
        ReadOptions(known={}),
        ReadOptions(known={"a": None, "b": ("x", "y"), "c": ()}),
        ReadOptions(known={"a": None}, origins={"a": "2026-01-31T00:00:00"}),
    ],
)
def test_options_survive_the_way_to_a_child(options):
    assert ReadOptions.load(options.dump()) == options
