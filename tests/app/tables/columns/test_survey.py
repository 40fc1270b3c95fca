"""A survey knows what it needs to and keeps no more, however much text there is."""

import tracemalloc

import pyarrow as pa

from app.tables.columns.options import ReadOptions
from app.tables.columns.survey import MAX_VALUES, TextSurvey
from app.tables.columns.text_cells import read_cells


def surveyed(*parts, **options):
    survey = TextSurvey()
    for part in parts:
        survey.add(read_cells(pa.array(part), ReadOptions(**options)))
    return survey


def test_rows_count_on_across_parts():
    survey = surveyed(["1", "x", "2"], ["3", "y", "4"])
    assert survey.others == [(2, "x"), (5, "y")]
    assert (survey.rows, survey.numbers, survey.num_others, survey.present) == (6, 4, 2, 6)


def test_missing_words_are_counted_one_by_one():
    survey = surveyed(["NA", "null", "-", ""], ["NA", None, "-"], na_values=("-",))
    assert survey.missing == {"NA": 2, "null": 1, "-": 2, "": 2}


def test_a_value_more_than_a_category_may_have_ends_the_count():
    names = [f"v{index}" for index in range(MAX_VALUES + 1)]
    assert len(surveyed(names[:-1], names[:-1]).values) == MAX_VALUES
    assert surveyed(names[:-1], names[-1:]).values is None


def test_many_texts_are_not_kept():
    survey = TextSurvey()
    parts = [
        read_cells(pa.array([f"part {part} {'x' * 200} {cell}" for cell in range(10_000)]), ReadOptions())
        for part in range(3)
    ]
    tracemalloc.start()
    for _ in range(5):
        for part in parts:
            survey.add(part)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert survey.present == 150_000
    assert survey.values is None
    assert kept < 100_000


def test_long_cells_are_shown_cut():
    assert len(surveyed(["1", "1", "x" * 10_000]).describe_others()) < 200
