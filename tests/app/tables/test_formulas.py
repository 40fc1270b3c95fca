"""Text that would be a formula to a spreadsheet is written so that it is none, and read as what it was."""

import io

import pyarrow as pa
import pytest
from catvq_client.tables.bodies import QUOTABLE
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import compute

from app.tables.columns.options import ReadOptions
from app.tables.formulas import FORMULA_PATTERN, QUOTED_FORMULA, quote_formulas, unquote_formulas
from app.tables.readers.csv_reader import read_csv

TEXTS = st.text(st.sampled_from("=+-@;'a, \N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH COMMERCIAL AT}"), max_size=12)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("=1+1", "'=1+1"),
        ("-log10(p)", "'-log10(p)"),
        ("+x", "'+x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\N{FULLWIDTH EQUALS SIGN}1", "'\N{FULLWIDTH EQUALS SIGN}1"),
        ("a;=b", "a;'=b"),
        ("'=x", "''=x"),
        ("a=b", "a=b"),
        ("a-b;c", "a-b;c"),
        ("it's", "it's"),
    ],
)
def test_an_apostrophe_goes_before_what_begins_a_formula(text, quoted):
    assert quote_formulas(text) == quoted
    assert unquote_formulas(quoted) == text


@given(text=TEXTS)
def test_no_cell_begins_a_formula_whichever_separator_a_spreadsheet_takes(text):
    cells = quote_formulas(text).split(";")
    assert not any(cell.startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20")) for cell in cells)


@given(text=TEXTS)
def test_what_was_quoted_reads_back(text):
    assert unquote_formulas(quote_formulas(text)) == text


@given(text=TEXTS)
def test_columns_of_text_and_the_client_quote_alike(text):
    (quoted,) = compute.replace_substring_regex(pa.array([text]), FORMULA_PATTERN, QUOTED_FORMULA).to_pylist()
    assert quoted == quote_formulas(text) == QUOTABLE.sub(r"\1'\2", text)


def test_a_header_reads_back_as_the_names_that_it_quotes(limits):
    assert read_csv(io.BytesIO(b"'=a,''+b,c\n1,2,3\n"), ReadOptions(), limits).columns == ("=a", "'+b", "c")
