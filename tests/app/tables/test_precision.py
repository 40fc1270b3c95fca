"""Columns are stored so that nothing that matters is rounded away."""

import io
import tempfile

import numpy as np
import pytest

from app.formats import Format
from app.tables.columns.options import ReadOptions
from app.tables.open_table import open_table
from app.tables.store_values import write_values
from app.tables.table import Table

ROWS = np.arange(600)
WAVE = np.sin(ROWS)


def stored(table, limits):
    with tempfile.TemporaryFile() as target:
        _, report = write_values(table, target, limits)
        target.seek(0)
        return np.load(target), report


def stored_columns(limits, *columns):
    matrix = np.column_stack(columns)
    names = tuple(f"c{index}" for index in range(matrix.shape[1]))
    return stored(Table(names, lambda: iter([matrix[:100], matrix[100:]]), has_names=True), limits)


PRECISE = {
    "julian dates": 2460310.5 + ROWS / 16,
    "modified julian dates of seconds": 60310 + ROWS / 86400,
    "unix seconds": 1.7e9 + ROWS,
    "unix milliseconds": 1.7e12 + ROWS * 1000,
    "unix microseconds": (1_700_000_000_000_000 + ROWS * 250).astype(np.int64),
    "pressures": 101325 + 0.01 * WAVE,
    "tiny": 1e-46 * WAVE,
    "beneath what a float32 can be": 1e-300 * WAVE,
    "huge": 1e39 * WAVE,
    "beyond squares": 1e200 * WAVE,
    "beyond float32 once": np.where(ROWS == 500, 1e300, WAVE),
    "identifiers": (2**53 - ROWS).astype(np.int64),
    "unsigned": (2**40 + ROWS).astype(np.uint64),
}


@pytest.mark.parametrize("values", PRECISE.values(), ids=PRECISE.keys())
def test_what_float32_would_round_away_is_float64(values, limits):
    matrix, report = stored_columns(limits, WAVE, values)
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix[:, 1], values.astype(np.float64))
    assert {warned.code for warned in report.warnings} <= {"id_column"}  # some columns count the rows


def test_missing_cells_do_not_hide_it(limits):
    values = 1.7e9 + ROWS
    values[:150] = np.nan
    matrix, _ = stored_columns(limits, values)
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix[:, 0], values)


PLAIN = {
    "of about one": WAVE,
    "julian dates of quarters": 2460310.5 + ROWS / 4,
    "of about a thousandth": 1e-3 * WAVE + 1,
    "large": 1e30 * WAVE,
    "small": 1e-30 * WAVE,
    "whole": ROWS,
    "bytes": (ROWS % 256).astype(np.uint8),
    "truths": ROWS % 2 == 0,
    "of one large value": np.full(600, 1.7e9 + 1),
    "with a hundredth left": 300 + 0.1 * WAVE,
    "already rounded": (101325 + 0.01 * WAVE).astype(np.float32),
}


@pytest.mark.parametrize("values", PLAIN.values(), ids=PLAIN.keys())
def test_other_columns_are_float32(values, limits):
    matrix, _ = stored(Table(("a",), lambda: iter([values[:, None]]), has_names=True), limits)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix[:, 0], values.astype(np.float64), rtol=1e-7)


def test_text_and_arrays_are_stored_alike(limits):
    values = 2460310.5 + ROWS / 16
    text = "a\n" + "".join(f"{value!r}\n" for value in values.tolist())
    array = io.BytesIO()
    np.save(array, values[:, None])
    for body, file_format in [(io.BytesIO(text.encode()), Format.CSV), (array, Format.NPY)]:
        matrix, _ = stored(open_table(body, file_format, ReadOptions(), limits), limits)
        np.testing.assert_array_equal(matrix[:, 0], values)


def test_times_are_seconds_since_the_first(limits):
    text = "a,when\n" + "".join(f"{row},2026-01-31 00:00:00.{row:03}\n" for row in range(600))
    options = ReadOptions(types={"when": "datetime"})
    matrix, report = stored(open_table(io.BytesIO(text.encode()), Format.CSV, options, limits), limits)
    np.testing.assert_allclose(matrix[:, 1], ROWS / 1000, atol=1e-6)
    assert {warned.code for warned in report.warnings} <= {"id_column"}  # some columns count the rows
