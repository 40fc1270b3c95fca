"""Bodies of the Open Inference Protocol, version 2, with its binary tensor extension."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from annotated_types import Predicate
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from app.schemas.common import Body, example
from app.schemas.models import MODEL_ID
from catvq.names import check_visible

INPUT = "rows"
_INPUT_EXAMPLE: dict[str, Any] = {
    "name": INPUT,
    "datatype": "FP32",
    "shape": [1, 3],
    "data": [0.5, None, 2.0],
}
_OUTPUT_EXAMPLE: dict[str, Any] = {"name": "codes", "datatype": "INT64", "shape": [1, 2], "data": [3, 1]}


class Output(StrEnum):
    """Outputs of a model; they have the same meaning as in `POST /v1/models/{model_id}/encodings`."""

    CODES = "codes"
    RECONSTRUCTION_ERROR = "reconstruction_error"
    DISTANCE_PERCENTILE = "distance_percentile"
    STATUS = "status"


Datatype = Literal[
    "FP16",
    "FP32",
    "FP64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "BOOL",
    "BYTES",
]
_IGNORES_MORE = ConfigDict(extra="ignore")


class InputParameters(Body):
    """Parameters of an input; unknown ones are ignored."""

    model_config = _IGNORES_MORE

    binary_data_size: StrictInt | None = Field(
        None, ge=0, description="Size in bytes of the values, which follow the JSON."
    )


class OutputParameters(Body):
    """Parameters of an output; unknown ones are ignored."""

    model_config = _IGNORES_MORE

    binary_data: StrictBool = Field(False, description="Send the values in binary after the JSON.")


class RequestParameters(BaseModel):
    """Parameters of a request; unknown ones are ignored."""

    binary_data_output: StrictBool = Field(False, description="Default of the outputs' `binary_data`.")


class InferenceInput(Body):
    """The rows to encode, in the dataset's units, or one column of them."""

    model_config = ConfigDict(json_schema_extra={"example": _INPUT_EXAMPLE}, extra="ignore")

    name: str = Field(
        description="`rows` for a matrix of all features, or the name of one feature "
        "or of a family of series or grids, or a series' name and `.lengths`."
    )
    datatype: Datatype = Field(
        description="Numbers are cast to the type of the model's rows; BYTES is text of a categorical column."
    )
    shape: Annotated[list[Annotated[StrictInt, Field(ge=0)]], Field(min_length=1, max_length=4)]
    parameters: InputParameters | None = None
    data: list[Any] | None = Field(None, description="Values row by row, flat or nested; null means missing.")


class InferenceOutput(Body):
    """A requested output."""

    model_config = _IGNORES_MORE

    name: Output
    parameters: OutputParameters | None = None


class InferenceRequest(Body):
    """An inference request."""

    model_config = ConfigDict(json_schema_extra={"example": {"inputs": [_INPUT_EXAMPLE]}}, extra="ignore")

    id: Annotated[str, Predicate(check_visible)] | None = Field(
        None, description="Is repeated in the response."
    )
    parameters: RequestParameters | None = None
    inputs: Annotated[list[InferenceInput], Field(min_length=1)]
    outputs: list[InferenceOutput] | None = Field(
        None, max_length=len(Output), description="Requested outputs; all of them if empty."
    )


class Tensor(Body):
    """An output; its values are in `data` or follow the JSON."""

    name: Output
    datatype: str
    shape: list[int]
    parameters: dict[str, int] | None = None
    data: list[Any] | None = None


class InferenceAnswer(Body):
    """An inference response."""

    model_config = example({"model_name": MODEL_ID, "model_version": "1", "outputs": [_OUTPUT_EXAMPLE]})

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[Tensor]


class TensorMetadata(Body):
    """Name, type and shape of an input or output; -1 means any number of rows."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Body):
    """Inputs and outputs of a model."""

    model_config = example(
        {
            "name": MODEL_ID,
            "versions": ["1"],
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": INPUT, "datatype": "FP32", "shape": [-1, 3]}],
            "outputs": [{"name": "codes", "datatype": "INT64", "shape": [-1, 2]}],
        }
    )

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(Body):
    """Name, version and extensions of the server."""

    name: str = Field(examples=["catvq"])
    version: str = Field(examples=["0.1.0"])
    extensions: list[str] = Field(examples=[["binary_tensor_data"]])


class Liveness(Body):
    """Liveness of the server."""

    live: bool = Field(examples=[True])


class Readiness(Body):
    """Readiness of the server or of a model."""

    name: str | None = Field(None, description="Name of the model; null for the server.")
    ready: bool = Field(examples=[True])
