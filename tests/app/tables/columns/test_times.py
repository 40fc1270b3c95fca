"""Dates and times become seconds, however they are spelled with the year first."""

import numpy as np
import pyarrow as pa
import pytest

from app.problems import InvalidError
from app.tables.columns.options import ReadOptions
from app.tables.columns.times import read_seconds

DAY = 86_400.0
START = 1_769_817_600.0  # 2026-01-31 00:00 UTC


def seconds(array):
    return read_seconds("when", array, ReadOptions(na_values=("-",))).tolist()


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("2026-01-31", 0),
        (" 2026-01-31 ", 0),
        ("2026/1/31", 0),
        ("2026.01.31", 0),
        ("2026-02-01", DAY),
        ("2026-2-1", DAY),
        ("2026-01-31 01:00", 3600),
        ("2026-01-31T01:00:00", 3600),
        ("2026-01-31T01:00:00Z", 3600),
        ("2026-01-31 01:00 UTC", 3600),
        ("2026-01-31T01:00:00+01:00", 0),
        ("2026-01-31 01:00:00 +0100", 0),
        ("2026-01-31T01:00:00-01:00", 7200),
        ("2026-01-31 00:00:00.25", 0.25),
        ("2026-01-31 00:00:00.123456789", 0.123456),
    ],
)
def test_text_with_the_year_first_is_a_time(text, after):
    assert seconds(pa.array([text])) == [START + after]


@pytest.mark.parametrize(("text", "after"), [("12:30", 45_000), ("7:05:01", 25_501), ("00:00:00.5", 0.5)])
def test_a_time_of_day_counts_from_midnight(text, after):
    assert seconds(pa.array([text])) == [after]


@pytest.mark.parametrize("word", [None, "", " ", "NA", "null", "-"])
def test_missing_words_are_missing(word):
    assert np.isnan(seconds(pa.array(["2026-01-31", word]))).tolist() == [False, True]


@pytest.mark.parametrize(
    ("array", "after"),
    [
        (pa.array([1_769_817_600], pa.timestamp("s")), START),
        (pa.array([1_769_817_600_500], pa.timestamp("ms", "Europe/Berlin")), START + 0.5),
        (pa.array([1_769_817_600_000_000_999], pa.timestamp("ns")), START),
        (pa.array([20_484], pa.date32()), START),
        (pa.array([45_000], pa.time32("s")), 45_000),
        (pa.array([45_000_000_000], pa.time64("ns")), 45),
        (pa.array([1500], pa.duration("ms")), 1.5),
        (pa.array(["2026-01-31"], pa.large_string()), START),
    ],
)
def test_times_of_every_type_are_read(array, after):
    assert seconds(array) == [after]


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["31.01.2026"]),
        pa.array(["1/31/2026"]),
        pa.array(["2026-13-01"]),
        pa.array(["2026-01-31 25:00"]),
        pa.array(["1700000000"]),
        pa.array(["red"]),
        pa.array([1_700_000_000]),
        pa.array([True]),
        pa.array([{"x": 1}]),
    ],
)
def test_what_is_no_time_is_refused_by_name(array):
    with pytest.raises(InvalidError) as caught:
        seconds(array)
    assert caught.value.code == "not_a_time"
    assert caught.value.places[0].column == "when"


def test_nothing_is_missing():
    assert np.isnan(seconds(pa.nulls(2))).all()
