"""Dates and times become seconds, however they are spelled with the year first."""

import numpy as np
import pyarrow as pa
import pytest

from app.problems import InvalidError
from app.tables.columns.options import ReadOptions
from app.tables.columns.times import first_time, read_seconds, write_text, write_times

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
        pa.array([1], pa.duration("s")),
        pa.array([10**12], pa.timestamp("s")),
        pa.array(["0000-01-01"]),
    ],
)
def test_what_is_no_time_is_refused_by_name(array):
    with pytest.raises(InvalidError) as caught:
        seconds(array)
    assert caught.value.code == "not_a_time"
    assert caught.value.places[0].column == "when"


def test_nothing_is_missing():
    assert np.isnan(seconds(pa.nulls(2))).all()


@pytest.mark.parametrize("text", ["31/01/2026", "31.1.2026", "31-01-2026", "2026-01-31"])
def test_the_day_comes_first_where_it_is_said(text):
    assert read_seconds("when", pa.array([text]), ReadOptions(date_order="day")).tolist() == [START]


@pytest.mark.parametrize("text", ["01/31/2026", "1/31/2026", "01-31-2026", "2026/1/31"])
def test_the_month_comes_first_where_it_is_said(text):
    assert read_seconds("when", pa.array([text]), ReadOptions(date_order="month")).tolist() == [START]


def test_every_day_of_a_year_is_read_in_every_order():
    days = np.arange("2024-01-01", "2025-01-01", dtype="datetime64[D]")
    parts = [str(day).split("-") for day in days]
    expected = days.astype("datetime64[s]").astype(float).tolist()
    for order, places in {"year": (0, 1, 2), "day": (2, 1, 0), "month": (1, 2, 0)}.items():
        for mark in "-/.":
            texts = [mark.join(str(int(part[place])) for place in places) for part in parts]
            assert read_seconds("d", pa.array(texts), ReadOptions(date_order=order)).tolist() == expected


def test_the_first_cell_that_is_no_time_is_named():
    with pytest.raises(InvalidError) as caught:
        read_seconds("when", pa.array(["2026-01-31", None, "", "soon", "later"]), ReadOptions(), 10)
    assert caught.value.places[0].row == 14
    assert "'soon'" in caught.value.detail


def test_a_date_with_the_day_first_is_refused_with_the_way_to_have_it():
    with pytest.raises(InvalidError, match="date_order=day"):
        read_seconds("when", pa.array(["31/12/2020"]), ReadOptions())


@pytest.mark.parametrize(
    ("array", "origin"),
    [
        (pa.array(["", "2026-01-31", "2025-01-01"]), "2026-01-31T00:00:00"),
        (pa.array(["2026-1-31 7:05"]), "2026-01-31T07:05:00"),
        (pa.array(["2026-01-31T01:00:00.25+01:00"]), "2026-01-31T00:00:00.250000Z"),
        (pa.array(["7:05"]), "07:05:00"),
        (pa.array([None, 20_484], pa.date32()), "2026-01-31T00:00:00"),
        (pa.array([1_769_817_600_500], pa.timestamp("ms", "Europe/Berlin")), "2026-01-31T00:00:00.500000Z"),
        (pa.array([45_000], pa.time32("s")), "12:30:00"),
        (pa.array(["", None]), None),
    ],
)
def test_the_first_time_is_an_origin(array, origin):
    assert first_time(array, ReadOptions()) == origin


@pytest.mark.parametrize("origin", ["2026-01-31T07:05:00.250000", "1969-12-31T23:59:59Z", "07:05:00"])
def test_times_are_written_as_they_were_read(origin):
    options = ReadOptions()
    start = read_seconds("when", pa.array([origin]), options)[0]
    times = write_times(np.array([0, np.nan, 1.5, -1.5, 3600]), origin)
    texts = write_text(times)

    assert texts[0].as_py() == origin
    assert texts[1].as_py() is None
    for written in (times, texts):
        np.testing.assert_array_equal(
            read_seconds("when", written, options) - start, [0, np.nan, 1.5, -1.5, 3600]
        )


def test_what_is_beyond_a_day_or_the_years_is_cut_off():
    beyond = np.array([-1e30, 1e30])
    assert write_text(write_times(beyond, "12:00:00")).to_pylist() == ["00:00:00", "23:59:59.999999"]
    assert write_text(write_times(beyond, "2026-01-31T00:00:00")).to_pylist() == [
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59.999999",
    ]
