"""Reads and writes the Open Inference Protocol: JSON, and the values of tensors after it or within."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from app.formats import Format
from app.http.error_handlers import to_invalid
from app.inference.channels import ChannelValues
from app.inference.encoded import Encoded
from app.inference.encoder import Encoder
from app.inference.model_lookup import ServedModel
from app.problems import InvalidError
from app.requests.inference_channels import read_channel_inputs
from app.requests.inference_inputs import read_inputs
from app.schemas.inference import INPUT, InferenceRequest, Output
from app.services import Services
from app.tables.channels.arrays import LENGTHS
from app.tables.readers.json_reader import load_rows
from app.tables.write import to_json

JSON_BYTES_HEADER = "Inference-Header-Content-Length"
MAX_FAULTS = 1000  # to describe more takes seconds
BINARY = Format.RAW.value
DATATYPES = {
    Output.CODES: "INT64",
    Output.RECONSTRUCTION_ERROR: "FP32",
    Output.DISTANCE_PERCENTILE: "FP64",
    Output.STATUS: "BYTES",
}


@dataclass(frozen=True)
class Inference:
    """A request that was read.

    Args:
        id: The client's own name for it.
        rows: [any number but 0, features], in the type of the model's rows.
        outputs: What to answer, and whether after the JSON.
        channels: The values of series and grids, where the model knows some.
    """

    id: str | None
    rows: NDArray[Any]
    outputs: dict[Output, bool]
    channels: dict[str, ChannelValues] = field(default_factory=dict)

    @property
    def with_doubt(self) -> bool:
        """Whether any output tells how far to trust the codes."""
        return not self.outputs.keys() <= {Output.CODES, Output.STATUS}


@dataclass(frozen=True)
class Written:
    """An answer; json_bytes is the length of its JSON where something comes after it."""

    body: bytes
    json_bytes: int | None

    @property
    def headers(self) -> dict[str, str]:
        """What it is."""
        if self.json_bytes is None:
            return {"Content-Type": Format.JSON.value}
        return {"Content-Type": BINARY, JSON_BYTES_HEADER: str(self.json_bytes)}


def read_inference(api: Services, file: BinaryIO, json_bytes: int | None, model: ServedModel) -> Inference:
    """Read a body.

    Args:
        json_bytes: The length of its JSON; None where there is nothing else.
        model: The model that it asks.

    Raises:
        NotParseableError: It is damaged.
        InvalidError: It holds something else than rows of the model, or asks for what there is not.
    """
    file.seek(0)
    document = load_rows(file.read() if json_bytes is None else file.read(json_bytes))
    try:
        request = InferenceRequest.model_validate(document)
    except ValidationError as error:
        if error.error_count() > MAX_FAULTS:
            raise InvalidError(
                f"the request has {error.error_count()} faults", code="invalid_field"
            ) from None
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise to_invalid(faults, document) from None
    if model.encoder.families:
        found = read_channel_inputs(api, request.inputs, file.read(), model)
        rows, channels = found.rows, found.channels
    else:
        rows, channels = read_inputs(request.inputs, file.read(), model), {}
    is_binary = request.parameters is not None and request.parameters.binary_data_output
    wanted = {
        output.name: is_binary if output.parameters is None else output.parameters.binary_data
        for output in request.outputs or ()
    }
    return Inference(request.id, rows, wanted or dict.fromkeys(Output, is_binary), channels)


def write_inference(inference: Inference, encoded: Encoded, name: str, version: str) -> Written:
    """Write the answer to a request of the model that it calls by this name."""
    tensors, tail = [], []
    for output, is_binary in inference.outputs.items():
        values = _values_of(output, encoded)
        tensor: dict[str, Any] = {"name": output, "datatype": DATATYPES[output], "shape": values.shape}
        if is_binary:
            tail.append(_to_bytes(values))
            tensor["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            tensor["data"] = values.tolist() if output is Output.STATUS else values.ravel()
        tensors.append(tensor)
    answer = {"model_name": name, "model_version": version, "outputs": tensors}
    if inference.id is not None:
        answer["id"] = inference.id
    head = to_json(answer)
    return Written(b"".join([head, *tail]), len(head) if tail else None)


def describe_tensors(encoder: Encoder) -> dict[str, list[dict[str, Any]]]:
    """Return the form of a model's inputs and outputs; -1 is any number of rows."""
    return {
        "inputs": list(_inputs(encoder)),
        "outputs": [
            {
                "name": output,
                "datatype": datatype,
                "shape": [-1, len(encoder.tokens)] if output is Output.CODES else [-1],
            }
            for output, datatype in DATATYPES.items()
        ],
    }


def _inputs(encoder: Encoder) -> Iterator[dict[str, Any]]:
    if encoder.features:
        yield {"name": INPUT, "datatype": _datatype(encoder), "shape": [-1, len(encoder.features)]}
    for family in encoder.families:
        channels = len(family.channels)
        if family.shape is None:
            yield {"name": family.name, "datatype": "FP32", "shape": [-1, -1, channels]}
            yield {"name": f"{family.name}{LENGTHS}", "datatype": "INT64", "shape": [-1]}
        else:
            yield {"name": family.name, "datatype": "FP32", "shape": [-1, channels, *family.shape]}


def _datatype(encoder: Encoder) -> str:
    return f"FP{8 * encoder.dtype.itemsize}"


def _values_of(output: Output, encoded: Encoded) -> NDArray[Any]:
    if output is Output.CODES:
        return encoded.codes
    if output is Output.STATUS:
        return np.array(encoded.status)
    if encoded.doubt is None:
        raise AssertionError("the rows were encoded without doubt although it was asked for")
    values: NDArray[Any] = getattr(encoded.doubt, output)
    return values


def _to_bytes(values: NDArray[Any]) -> bytes:
    """Return numbers as they are; words each after its length."""
    if values.dtype.kind != "U":
        return values.tobytes()
    words = (word.encode() for word in values.tolist())
    return b"".join(len(word).to_bytes(4, "little") + word for word in words)
