"""Writes arrays in the format a client asked for."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from app.formats import PICTURE_FORMATS, Format
from app.pictures.drawing import Drawing
from app.pictures.render import render


@dataclass(frozen=True)
class Column:
    """One named column; NaN in numbers is written as null."""

    name: str
    values: NDArray[Any] | Sequence[str] | Sequence[str | None]


@dataclass(frozen=True)
class Answer:
    """One result in its shapes; only the one asked for is made.

    Args:
        document: What JSON holds.
        array: What NPY holds.
        columns: What CSV, Arrow and Parquet hold.
        drawing: What SVG and PNG show, where they are offered.
    """

    document: Callable[[], Any]
    array: Callable[[], NDArray[Any]]
    columns: Callable[[], list[Column]]
    drawing: Callable[[], Drawing] | None = None


def write_answer(answer: Answer, file_format: Format) -> bytes:
    """Return the body of a response in this format."""
    if file_format is Format.JSON:
        return to_json(answer.document())
    if file_format in {Format.NPY, Format.RAW}:
        return write_array(answer.array(), file_format)
    if answer.drawing is not None and file_format in PICTURE_FORMATS:
        return render(answer.drawing(), file_format)
    # Loaded on its first use: most processes only ever speak JSON and NPY.
    writer = import_module("app.tables.arrow_writer")
    body: bytes = writer.write_columns(answer.columns(), file_format)
    return body


def write_array(array: NDArray[Any], file_format: Format) -> bytes:
    """Write an array alone, with its header or without."""
    return array.tobytes() if file_format is Format.RAW else to_npy(array)


def to_json(document: Any) -> bytes:
    """Write JSON; NaN and infinity become null."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z)


def to_npy(array: NDArray[Any]) -> bytes:
    """Write an NPY file."""
    return npy_header(array.dtype.str, array.shape) + array.tobytes()


@lru_cache
def npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return what an NPY file begins with."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def matrix_columns(names: Sequence[str], matrix: NDArray[Any]) -> list[Column]:
    """Return the columns of a matrix [rows, names]."""
    return [Column(name, np.ascontiguousarray(matrix[:, index])) for index, name in enumerate(names)]
