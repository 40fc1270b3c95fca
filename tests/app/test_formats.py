"""Formats are chosen by Content-Type and Accept as RFC 9110 says."""

import pytest

from app.formats import ARRAY_FORMATS, DATASET_FORMATS, Format, asked_format, sent_format
from app.problems import NotAcceptableError, NotParseableError, UnsupportedMediaTypeError


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, Format.JSON),
        ("", Format.JSON),
        ("*/*", Format.JSON),
        ("application/x-npy", Format.NPY),
        ("APPLICATION/X-NPY", Format.NPY),
        ("text/*", Format.CSV),
        ("text/csv;q=0.5, application/x-npy;q=0.9", Format.NPY),
        ("application/json;q=0, */*;q=0.1", Format.NPY),
        ("image/png, text/csv;q=0.1", Format.CSV),
        ("application/*;q=0.4, application/vnd.apache.parquet", Format.PARQUET),
    ],
)
def test_the_best_liked_offered_format_is_chosen(accept, expected):
    assert asked_format(accept, ARRAY_FORMATS) is expected


@pytest.mark.parametrize("accept", ["image/png", "text/html, text/plain", "*/*;q=0"])
def test_nothing_acceptable_is_refused_with_the_list(accept):
    with pytest.raises(NotAcceptableError, match="application/x-npy, text/csv"):
        asked_format(accept, ARRAY_FORMATS)


def test_a_quality_that_is_no_number_is_refused():
    with pytest.raises(NotParseableError, match="quality"):
        asked_format("text/csv;q=high", ARRAY_FORMATS)


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/csv", Format.CSV),
        ("Text/CSV; charset=UTF-8", Format.CSV),
        ('text/csv; charset="utf-8"; header=present', Format.CSV),
        ("application/x-hdf5", Format.HDF5),
        ("application/json", Format.JSON),
    ],
)
def test_the_content_type_names_the_format(content_type, expected):
    assert sent_format(content_type, DATASET_FORMATS) is expected


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-npz", "nonsense", ";;"])
def test_other_content_types_are_refused_with_the_list(content_type):
    with pytest.raises(UnsupportedMediaTypeError, match="application/x-npy, text/csv"):
        sent_format(content_type, ARRAY_FORMATS)


def test_text_in_another_encoding_is_refused():
    with pytest.raises(UnsupportedMediaTypeError, match="latin-1 is not supported; send UTF-8"):
        sent_format("text/csv; charset=latin-1", ARRAY_FORMATS)
