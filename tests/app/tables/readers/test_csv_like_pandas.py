"""CSV is read as pandas reads it, cell by cell.

Some tables are made up in each run; as many as one likes with `TABLE_EXAMPLES=5000 pytest --timeout 0` and
the path of this file.

Where the service has rules of its own, the tables keep clear of them or pandas' cells are brought into line:

- Spaces, tabs and no-break spaces around a cell are no part of it, so ` NA` is missing and ` x` is `x`; to
  pandas this holds for numbers only.
- NaN in any spelling of upper and lower case is missing; pandas takes `NAN` in a column of text for text.
- True and False among numbers are 1 and 0; pandas makes a column of text of both.
- A line of nothing but spaces is a row with one cell; pandas skips it.
- A number among `na_values` stands for itself in any spelling, also among text; pandas looks for `-1` and
  `-1.0` there, and not for `-1.` or, with a decimal comma, `-1,0`.
- An apostrophe before what would begin a formula is taken off, as the service's own CSV has it.
- A text among numbers is refused; pandas makes a column of text of both.
- Numbers have the digits 0 to 9 only, so `1_000`, `0x10` and `1d5` are text, as they are to pandas.
"""

import io
import os

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from app.tables.columns.options import MISSING_WORDS, ReadOptions
from app.tables.open_table import read_blocks
from app.tables.readers.csv_reader import read_csv
from app.tables.table import SPACES, TableLimits

EXAMPLES = int(os.environ.get("TABLE_EXAMPLES", "200"))
WHOLE = st.integers(-(10**17), 10**17).map(str)
FLOATS = st.floats(allow_nan=False)
DECIMALS = st.one_of(
    FLOATS.map(repr),
    FLOATS.map(lambda value: f"{value:.3e}"),
    FLOATS.map(lambda value: f"{value:.17E}"),
    st.floats(-1e6, 1e6).map(lambda value: f"{value:+.4f}"),
    st.sampled_from(["0", "-0.0", ".5", "5.", "+7", "007", "-.25", "1e5", "1E-7", "inf", "-inf", "Infinity"]),
    st.sampled_from(["2460310.25", "1e-46", "1e-320", "1e400", "0.1000000000000000055511151231257827"]),
)
TRUTHS = st.sampled_from(["True", "False", "TRUE", "FALSE", "true", "false"])
WORDS = st.one_of(
    st.sampled_from(
        ["red", "green", "blue", "New York", "Zoë", 'a "b"', "x,y", "x;y", "1,5 m", "two\nlines"]
    ),
    st.text(st.sampled_from('ab1,;|"é.-\n'), min_size=1, max_size=5).filter(
        lambda text: set(text) - set("1,.-")
    ),
)
KINDS = {"numbers": st.one_of(WHOLE, DECIMALS), "whole": WHOLE, "truths": TRUTHS, "text": WORDS}
EXTRA_MISSING = (("-", -999), ("missing", 99), (-1,), ())


@st.composite
def tables(draw):
    """CSV as bytes, how it is built, and what kind each column is of."""
    delimiter, decimal = draw(st.sampled_from(",;\t|")), draw(st.sampled_from(".,"))
    na_values = draw(st.sampled_from(EXTRA_MISSING))
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5))
    names = [f"{draw(st.sampled_from(['col', 'a b', 'é', 'x,y']))}{index}" for index in range(len(kinds))]
    rows = draw(st.integers(1, 12))
    missing = st.sampled_from(MISSING_WORDS + tuple(map(str, na_values)))
    columns = []
    for kind in kinds:
        cells = st.one_of(*[KINDS[kind]] * 3, missing)
        column = draw(st.lists(cells, min_size=rows, max_size=rows))
        if kind == "numbers":
            column = [cell if cell in MISSING_WORDS else cell.replace(".", decimal) for cell in column]
        columns.append(column)
    needs_quotes = {delimiter, '"', "\n", "\r"}
    end = draw(st.sampled_from(["\n", "\r\n"]))

    def written(cell, kind):
        if needs_quotes & set(cell) or (not cell and len(kinds) == 1) or draw(st.integers(0, 3)) == 0:
            return '"' + cell.replace('"', '""') + '"'
        is_number = kind in {"numbers", "whole"} and cell[-1:].isdigit() and cell not in map(str, na_values)
        return cell + draw(st.sampled_from(["", "", "", " "])) if is_number else cell

    lines = [delimiter.join(written(name, "name") for name in names)]
    lines += [delimiter.join(map(written, line, kinds)) for line in zip(*columns, strict=True)]
    text = draw(st.sampled_from(["", "\ufeff"])) + end.join(lines) + draw(st.sampled_from(["", end, end * 2]))
    return text.encode(), delimiter, decimal, na_values, dict(zip(names, kinds, strict=True))


def by_pandas(data, delimiter, decimal, na_values, kinds):
    """Columns as pandas reads them: lists of floats or texts, None where a cell is missing."""
    text = {name: str for name, kind in kinds.items() if kind == "text"}
    frame = pd.read_csv(
        io.BytesIO(data),
        sep=delimiter,
        decimal=decimal,
        na_values=list(na_values),
        dtype=text,
        low_memory=False,
    )
    frame.columns = [name.strip(SPACES) for name in frame.columns]
    return {name: [None if pd.isna(cell) else cell for cell in frame[name]] for name in frame.columns}


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(table=tables())
def test_every_cell_is_what_it_is_to_pandas(table, tmp_path_factory):
    data, delimiter, decimal, na_values, kinds = table
    limits = TableLimits(1000, 50, 1 << 20, 10**6, 10**4, 10**4, tmp_path_factory.getbasetemp())
    types = {name: "categorical" for name, kind in kinds.items() if kind == "text"}
    options = ReadOptions(types=types, na_values=na_values, delimiter=delimiter, decimal=decimal)
    read, blocks = read_blocks(
        read_csv(io.BytesIO(data), options, limits), lambda read: np.concatenate(list(read.blocks()))
    )
    assert read.columns == tuple(kinds)
    expected = by_pandas(data, delimiter, decimal, na_values, kinds)
    for index, (name, kind) in enumerate(kinds.items()):
        ours, theirs = blocks[:, index], expected[name]
        if kind == "text":
            values = read.values_of[name]
            assert [None if np.isnan(cell) else values[int(cell)] for cell in ours] == theirs
        else:
            numbers = np.array([np.nan if cell is None else float(cell) for cell in theirs])
            np.testing.assert_array_equal(ours, numbers)
