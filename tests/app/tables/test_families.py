"""Families cover every feature once, in column order; names apply only where there are none."""

import tracemalloc

import numpy as np
import pytest

from app.problems import InvalidError
from app.tables.columns.options import ReadOptions
from app.tables.families import families_of, table_of_arrays
from app.tables.table import Table

COLUMNS = ("p_0", "p_1", "m_0")


def table(columns=COLUMNS, *, has_names=True, widths=None):
    return Table(
        columns=columns,
        blocks=lambda: iter([np.zeros((1, len(columns)))]),
        has_names=has_names,
        family_widths=widths,
    )


def test_without_a_word_all_features_are_one_family():
    assert families_of(table(), None) == {"features": list(COLUMNS)}


def test_json_names_every_feature_and_columns_keep_their_order():
    asked = '{"moments": ["m_0"], "pixels": ["p_1", "p_0"]}'
    assert families_of(table(), asked) == {"moments": ["m_0"], "pixels": ["p_0", "p_1"]}


def test_a_prefix_ends_at_the_first_separator():
    columns = ("p_a_0", "p_b_0", "m_0", "alone")
    assert families_of(table(columns), "prefix:_") == {
        "p": ["p_a_0", "p_b_0"],
        "m": ["m_0"],
        "alone": ["alone"],
    }


def test_the_families_of_a_file_hold():
    widths = {"p": 2, "m": 1}
    assert families_of(table(widths=widths), None) == {"p": ["p_0", "p_1"], "m": ["m_0"]}
    with pytest.raises(InvalidError, match="itself"):
        families_of(table(widths=widths), "prefix:_")


@pytest.mark.parametrize(
    ("asked", "column", "detail"),
    [
        ('{"p": ["p_0", "p_1"]}', "m_0", "in no family"),
        ('{"p": ["p_0", "p_1", "m_0", "x"]}', "x", "no such feature"),
        ('{"p": ["p_0", "p_1"], "q": ["p_1", "m_0"]}', "p_1", "in the families 'p' and 'q'"),
    ],
)
def test_a_feature_that_is_not_in_exactly_one_family_is_named(asked, column, detail):
    with pytest.raises(InvalidError) as caught:
        families_of(table(), asked)
    assert caught.value.code == "invalid_families"
    assert any(place.column == column and detail in place.detail for place in caught.value.places)


@pytest.mark.parametrize(
    "asked",
    ["[]", "1", '{"p": "p_0"}', '{"p": []}', '{"p": [1]}', '{"": ["p_0"]}', '{"\\n": ["p_0"]}', "prefix:"],
)
def test_families_of_another_form_are_refused(asked):
    with pytest.raises(InvalidError):
        families_of(table(), asked)


def test_a_name_that_begins_with_the_separator_is_named():
    with pytest.raises(InvalidError) as caught:
        families_of(table(("_0", "p_0")), "prefix:_")
    assert caught.value.places[0].column == "_0"


@pytest.mark.parametrize("asked", ["", "pixels", "{", '{"p": NaN}'])
def test_neither_json_nor_a_rule_is_refused(asked):
    with pytest.raises(InvalidError) as caught:
        families_of(table(), asked)
    assert caught.value.places[0].field == "families"


def test_families_of_more_features_than_there_may_be_are_refused_before_these_get_names(limits):
    wide = np.broadcast_to(np.float32(0), (1, 1_000_000))
    tracemalloc.start()
    with pytest.raises(InvalidError) as caught:
        table_of_arrays({"a": wide}, ReadOptions(), limits)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == "too_many_features"
    assert most < 1_000_000
