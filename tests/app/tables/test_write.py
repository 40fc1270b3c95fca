"""What is written in any format reads back as what it was."""

import io

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from app.formats import ARRAY_FORMATS, Format
from app.tables.write import Answer, Column, matrix_columns, write_answer

MATRIX = np.array([[0.1, np.nan], [1e-30, 3]], np.float32)
ANSWER = Answer(
    document=lambda: {"matrix": MATRIX, "bad": float("inf")},
    array=lambda: MATRIX,
    columns=lambda: [Column("name", ['x,"y"', None]), *matrix_columns(["a", 'b,"c"'], MATRIX)],
)
READERS = {
    Format.CSV: lambda body: csv.read_csv(io.BytesIO(body)),
    Format.ARROW: lambda body: pa.ipc.open_stream(body).read_all(),
    Format.PARQUET: lambda body: parquet.read_table(io.BytesIO(body)),
}


@pytest.mark.parametrize("file_format", READERS)
def test_columns_read_back(file_format):
    table = READERS[file_format](write_answer(ANSWER, file_format))
    assert table.column_names == ["name", "a", 'b,"c"']
    assert table["name"].to_pylist()[0] == 'x,"y"'
    assert np.array(table["a"].to_pylist(), np.float32).tolist() == MATRIX[:, 0].tolist()
    assert table['b,"c"'].to_pylist() == [None, 3]


def test_csv_reads_back_with_pandas():
    frame = pd.read_csv(io.BytesIO(write_answer(ANSWER, Format.CSV)))
    assert frame["a"].astype(np.float32).tolist() == MATRIX[:, 0].tolist()


def test_csv_quotes_only_what_needs_it():
    plain = Answer(
        dict, lambda: MATRIX, lambda: [Column("name", ["x", None]), *matrix_columns(["a", "b"], MATRIX)]
    )
    assert write_answer(plain, Format.CSV) == b"name,a,b\nx,0.1,\n,1e-30,3\n"


def test_csv_holds_no_formula_and_its_numbers_stay_numbers():
    columns = [Column("=name", ["=1+1", "a;@b", None, "x"]), Column("-n", np.array([-1.5, np.nan, 2, 3]))]
    answer = Answer(dict, lambda: MATRIX, lambda: columns)
    assert write_answer(answer, Format.CSV) == b"'=name,'-n\n'=1+1,-1.5\na;'@b,\n,2\nx,3\n"
    exact = READERS[Format.ARROW](write_answer(answer, Format.ARROW)).to_pydict()
    assert exact == {"=name": ["=1+1", "a;@b", None, "x"], "-n": [-1.5, None, 2, 3]}


def test_npy_reads_back():
    np.testing.assert_array_equal(np.load(io.BytesIO(write_answer(ANSWER, Format.NPY))), MATRIX)


def test_json_holds_no_nan_and_no_infinity():
    document = orjson.loads(write_answer(ANSWER, Format.JSON))
    assert document == {"matrix": [[0.1, None], [1e-30, 3.0]], "bad": None}


@pytest.mark.parametrize("file_format", ARRAY_FORMATS)
def test_an_empty_matrix_can_be_written(file_format):
    empty = Answer(
        lambda: {"matrix": None}, lambda: np.empty((2, 0)), lambda: [Column("feature", ["a", "b"])]
    )
    assert write_answer(empty, file_format)
