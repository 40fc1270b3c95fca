"""Reads the tensors of the Open Inference Protocol: a matrix of rows, or a tensor for each column."""

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.inference.encoder import Encoder
from app.inference.model_lookup import ServedModel
from app.problems import InvalidError, NotParseableError, Place
from app.requests.encode import check_features
from app.schemas.inference import INPUT, InferenceInput
from app.tables.columns.options import ReadOptions
from app.tables.readers.json_reader import parse_rows
from app.tables.table import Table, check_has_rows

TYPES = {
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "BOOL": "?",
}
TEXT = "BYTES"
_UNNAMED = re.compile(r"input-\d+")  # what MLServer and KServe call a tensor unless they are told otherwise
_LENGTH_BYTES = 4  # before each text in binary


def read_inputs(tensors: Sequence[InferenceInput], tail: bytes, model: ServedModel) -> NDArray[Any]:
    """Return rows [any number but 0, features] in the type of the model.

    Args:
        tensors: One called `rows` (or, alone, `input-1` or the like) with all features, or one for each
            feature; others are left unread.
        tail: The bytes after the JSON, which belong to the tensors in order.

    Raises:
        NotParseableError: There are more bytes, or fewer, than the tensors announce.
        InvalidError: They are not rows of the model's features.
    """
    return read_columns(tensors, list(cut_bodies(tensors, tail)), model)


def read_columns(
    tensors: Sequence[InferenceInput], bodies: Sequence[bytes | None], model: ServedModel
) -> NDArray[Any]:
    """Return rows as `read_inputs` does.

    Args:
        tensors: As there.
        bodies: The bytes of each; None where its values are in the JSON.
    """
    encoder = model.encoder
    place = _place_of_rows([tensor.name for tensor in tensors], encoder)
    if place is not None:
        rows = _read_numbers(tensors[place], bodies[place], encoder.features, place=place)
    else:
        rows = _read_columns(tensors, bodies, model)
    check_has_rows(len(rows), "inputs")
    return encoder.mark_missing(encoder.floats(rows), model.options.missing_numbers)


def _place_of_rows(names: Sequence[str], encoder: Encoder) -> int | None:
    """Where among tensors the one is that holds all features; None where each feature has its own."""
    if INPUT in names and (len(names) == 1 or encoder.families):
        return names.index(INPUT)
    is_unnamed = len(names) == 1 and _UNNAMED.fullmatch(names[0]) and names[0] not in encoder.features
    return 0 if is_unnamed else None


def cut_bodies(tensors: Sequence[InferenceInput], tail: bytes) -> Iterator[bytes | None]:
    """Yield the bytes of each tensor; None where its values are in the JSON.

    Raises:
        NotParseableError: There are more bytes, or fewer, than the tensors announce.
        InvalidError: A tensor has values in both places or in none, or the name of another.
    """
    names = [tensor.name for tensor in tensors]
    for place, tensor in enumerate(tensors):
        if names.index(tensor.name) < place:
            detail = f"there are two inputs {tensor.name!r}"
            raise InvalidError(detail, [Place(detail=detail, field=f"inputs.{place}")], code="invalid_input")
        if (_size(tensor) is None) == (tensor.data is None):
            detail = "an input needs either data, or a binary_data_size and as many bytes after the JSON"
            raise InvalidError(detail, [Place(detail=detail, field=f"inputs.{place}")], code="invalid_input")
    announced = sum(_size(tensor) or 0 for tensor in tensors)
    if len(tail) != announced:
        raise NotParseableError(f"{len(tail)} bytes follow the JSON, {announced} were announced")
    start = 0
    for tensor in tensors:
        size = _size(tensor)
        yield None if size is None else tail[start : start + size]
        start += size or 0


def _size(tensor: InferenceInput) -> int | None:
    return None if tensor.parameters is None else tensor.parameters.binary_data_size


def _read_columns(
    tensors: Sequence[InferenceInput], bodies: Sequence[bytes | None], model: ServedModel
) -> NDArray[Any]:
    """Put columns side by side in the order of the model's features."""
    names, encoder = [tensor.name for tensor in tensors], model.encoder
    check_features(names, encoder.features)
    columns = []
    for name in encoder.features:
        place = names.index(name)
        if tensors[place].datatype == TEXT:
            cells = _read_texts(tensors[place], bodies[place], place=place)
            columns.append(_as_in_a_table(cells, name, model.options))
        else:
            columns.append(_read_numbers(tensors[place], bodies[place], (name,), place=place)[:, 0])
    if len({len(column) for column in columns}) > 1:
        faults = [
            Place(detail=f"{len(column)} rows", field="inputs", column=name)
            for name, column in zip(encoder.features, columns, strict=True)
        ]
        raise InvalidError("the columns differ in their number of rows", faults, code="ragged_row")
    return np.column_stack([column.astype(np.float64) for column in columns])


def _read_numbers(
    tensor: InferenceInput, body: bytes | None, features: Sequence[str], *, place: int
) -> NDArray[Any]:
    """Return the numbers of a tensor, [rows, features]."""
    if tensor.datatype == TEXT:
        detail = "text is read column by column; rows need numbers"
        raise InvalidError(
            detail, [Place(detail=detail, field=f"inputs.{place}.datatype")], code="invalid_field"
        )
    if body is None:
        rows: NDArray[Any] = parse_rows(_plain(tensor.data or []), features)
    else:
        dtype = np.dtype(TYPES[tensor.datatype])
        if len(body) % (dtype.itemsize * len(features)):
            detail = f"{len(body)} bytes are not whole rows of {len(features)} values of {tensor.datatype}"
            raise InvalidError(detail, [Place(detail=detail, field=f"inputs.{place}")], code="wrong_width")
        rows = np.frombuffer(body, dtype).reshape(-1, len(features))
    _check_shape(tensor, len(rows), len(features), place=place)
    return rows


def _plain(data: list[Any]) -> list[Any]:
    """Return values of JSON with true and false as numbers."""
    if isinstance(data, list) and data and isinstance(data[0], list):
        return [_plain(row) if isinstance(row, list) else row for row in data]
    return [float(cell) if isinstance(cell, bool) else cell for cell in data]


def _read_texts(tensor: InferenceInput, body: bytes | None, *, place: int) -> list[str | None]:
    """Return the texts of a column."""
    cells = list(_unpack(body, place)) if body is not None else _flat(tensor.data or [])
    for row, cell in enumerate(cells, start=1):
        if cell is not None and not isinstance(cell, str):
            at = Place(detail="not a text", field=f"inputs.{place}.data", row=row, column=tensor.name)
            raise InvalidError(f"column {tensor.name!r}, row {row}: not a text", [at], code="invalid_type")
    _check_shape(tensor, len(cells), 1, place=place)
    return cells


def _flat(data: list[Any]) -> list[Any]:
    return [cell[0] if isinstance(cell, list) and len(cell) == 1 else cell for cell in data]


def _unpack(body: bytes, place: int) -> Iterator[str]:
    """Yield texts, each of which comes after its length."""
    start = 0
    while start < len(body):
        begin = start + _LENGTH_BYTES
        end = begin + int.from_bytes(body[start:begin], "little")
        text = body[begin:end].decode(errors="replace")
        if end > len(body) or "\N{REPLACEMENT CHARACTER}" in text:
            detail = "the bytes are not texts of UTF-8, each after its length in four bytes"
            raise InvalidError(detail, [Place(detail=detail, field=f"inputs.{place}")], code="invalid_input")
        yield text
        start = end


def _as_in_a_table(cells: list[str | None], name: str, options: ReadOptions) -> NDArray[np.float64]:
    """Return what texts stand for in a feature, as those of an uploaded table."""
    frame = import_module("app.tables.columns.frame")  # with Arrow, which numbers do without
    column = {name: frame.as_array([cell or "" for cell in cells])}
    whole = frame.Frame((name,), lambda _: iter([column]))
    table: Table = import_module("app.tables.columns.settle").settle(whole, options)
    return np.concatenate([np.empty(0), *(block[:, 0] for block in table.blocks())])


def _check_shape(tensor: InferenceInput, rows: int, width: int, *, place: int) -> None:
    if tensor.shape not in ([rows, width], [rows] if width == 1 else [rows, width]):
        detail = f"the shape is said to be {tensor.shape}, the values are {[rows, width]}"
        raise InvalidError(detail, [Place(detail=detail, field=f"inputs.{place}.shape")], code="wrong_shape")
