"""Reads tensors of series and grids of the Open Inference Protocol."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.inference.channels import ChannelValues
from app.inference.model_lookup import ServedModel
from app.problems import InvalidError, Place
from app.requests.encode_channels import RowsOfChannels, check_size, collect_values, match_family
from app.requests.inference_inputs import TEXT, TYPES, cut_bodies, read_columns
from app.schemas.inference import InferenceInput
from app.services import Services
from app.tables.channels.arrays import LENGTHS, sort_arrays
from app.tables.columns.options import ReadOptions
from app.tables.table import TableLimits, check_has_rows

_NUMBERS = {int, float, bool, type(None)}


def read_channel_inputs(
    api: Services, tensors: Sequence[InferenceInput], tail: bytes, model: ServedModel
) -> RowsOfChannels:
    """Return rows, series and grids.

    Args:
        tensors: Of each family its name, [rows, steps, channels] or [rows, channels, height, width]; of
            series also `family.lengths`, [rows], where rows are shorter; and `rows`, or each column.
        tail: The bytes after the JSON, which belong to the tensors in order.

    Raises:
        NotParseableError: There are more bytes, or fewer, than the tensors announce.
        InvalidError: They do not fit the model.
        TooLargeError: There are too many rows, or values.
    """
    encoder, settings = model.encoder, api.settings
    bodies = list(cut_bodies(tensors, tail))
    wanted = {family.name for family in encoder.families}
    arrays: dict[str, NDArray[Any]] = {}
    for place, (tensor, body) in enumerate(zip(tensors, bodies, strict=True)):
        if tensor.name in wanted or tensor.name.removesuffix(LENGTHS) in wanted:
            arrays[tensor.name] = _read_array(tensor, body, place)
    if missing := [name for name in wanted if name not in arrays]:
        faults = [Place(detail="missing", field="inputs", column=name) for name in missing]
        raise InvalidError(f"the input {missing[0]!r} is missing", faults, code="missing_family")
    limits = TableLimits(
        settings.max_encode_rows,
        settings.max_features,
        settings.max_expanded_bytes,
        settings.max_channel_values,
        settings.max_series_length,
        settings.max_grid_cells,
        api.scratch_dir,
    )
    options = ReadOptions(known={}, kinds={family.name: family.kind for family in encoder.families})
    found = sort_arrays(arrays, options, limits).channels
    families = {family.name: match_family(family, found[family.name], options) for family in encoder.families}
    check_size(api, encoder, families)
    counts = {name: family.rows for name, family in families.items()}
    rows = np.empty((next(iter(counts.values())), 0), encoder.dtype)
    if encoder.features:
        rows = read_columns(tensors, bodies, model)
        counts["rows"] = len(rows)
    if len(set(counts.values())) > 1:
        faults = [
            Place(detail=f"{count} rows", field="inputs", column=name) for name, count in counts.items()
        ]
        raise InvalidError("the inputs differ in their number of rows", faults, code="ragged_row")
    check_has_rows(len(rows), "inputs")
    values: dict[str, ChannelValues] = {name: collect_values(family) for name, family in families.items()}
    return RowsOfChannels(rows, values, {})


def _read_array(tensor: InferenceInput, body: bytes | None, place: int) -> NDArray[Any]:
    """Return the numbers of a tensor in its shape."""
    if tensor.datatype == TEXT:
        raise _refused(place, "datatype", "needs numbers, not text", "invalid_field")
    if body is None:
        cells = _flatten(tensor.data or [])
        if not {type(cell) for cell in cells} <= _NUMBERS:
            raise _refused(place, "data", "needs numbers and null, nested or flat", "not_numeric")
        numbers: NDArray[Any] = np.array(cells, np.float64)
    else:
        dtype = np.dtype(TYPES[tensor.datatype])
        if len(body) % dtype.itemsize:
            detail = f"{len(body)} bytes are not whole values of {tensor.datatype}"
            raise _refused(place, "data", detail, "wrong_shape")
        numbers = np.frombuffer(body, dtype)
    if numbers.size != math.prod(tensor.shape):
        detail = f"the shape is said to be {tensor.shape}, there are {numbers.size} values"
        raise _refused(place, "shape", detail, "wrong_shape")
    return numbers.reshape(tensor.shape)


def _flatten(data: list[Any]) -> list[Any]:
    while any(isinstance(cell, list) for cell in data):
        data = [part for cell in data for part in (cell if isinstance(cell, list) else [cell])]
    return data


def _refused(place: int, field: str, detail: str, code: str) -> InvalidError:
    return InvalidError(detail, [Place(detail=detail, field=f"inputs.{place}.{field}")], code=code)
