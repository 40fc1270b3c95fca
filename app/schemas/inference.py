"""Bodies of the Open Inference Protocol, version 2, with its binary tensor extension."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from app.schemas.common import Body
from app.schemas.models import MODEL_ID
from worker.contract.job_config import Visible

INPUT = "rows"
_INPUT_EXAMPLE: dict[str, Any] = {
    "name": INPUT,
    "datatype": "FP32",
    "shape": [1, 3],
    "data": [0.5, None, 2.0],
}
_OUTPUT_EXAMPLE: dict[str, Any] = {"name": "codes", "datatype": "INT64", "shape": [1, 2], "data": [3, 1]}


class Output(StrEnum):
    """What a model answers about each row, as `POST /v1/models/{model_id}/encodings` does."""

    CODES = "codes"
    RECONSTRUCTION_ERROR = "reconstruction_error"
    DISTANCE_PERCENTILE = "distance_percentile"
    STATUS = "status"


class InputParameters(Body):
    """How an input is sent."""

    binary_data_size: StrictInt | None = Field(None, ge=0, description="Its bytes, after the JSON.")


class OutputParameters(Body):
    """How an output is wanted."""

    binary_data: StrictBool = Field(False, description="After the JSON instead of within.")


class RequestParameters(BaseModel):
    """What is asked of the whole request; parameters that are not known here change nothing."""

    binary_data_output: StrictBool = Field(False, description="`binary_data` of the outputs that do not say.")


class InferenceInput(Body):
    """The rows to encode, in the units of the dataset."""

    model_config = ConfigDict(json_schema_extra={"example": _INPUT_EXAMPLE})

    name: Literal["rows"]
    datatype: Literal["FP32", "FP64"] = Field(description="As the model's metadata say.")
    shape: Annotated[list[Annotated[StrictInt, Field(ge=0)]], Field(min_length=2, max_length=2)]
    parameters: InputParameters = InputParameters()
    data: list[Any] | None = Field(None, description="Row by row, flat or nested; null is missing.")


class InferenceOutput(Body):
    """A wanted output."""

    name: Output
    parameters: OutputParameters | None = None


class InferenceRequest(Body):
    """What to compute."""

    model_config = ConfigDict(json_schema_extra={"example": {"inputs": [_INPUT_EXAMPLE]}})

    id: Visible | None = Field(None, description="Comes back with the answer.")
    parameters: RequestParameters = RequestParameters()
    inputs: Annotated[list[InferenceInput], Field(min_length=1, max_length=1)]
    outputs: list[InferenceOutput] = Field(
        [], max_length=len(Output), description="All of them, when none is named."
    )


class Tensor(Body):
    """An output, its values in `data` or after the JSON."""

    name: Output
    datatype: str
    shape: list[int]
    parameters: dict[str, int] | None = None
    data: list[Any] | None = None


class InferenceAnswer(Body):
    """What was computed."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"model_name": MODEL_ID, "model_version": "1", "outputs": [_OUTPUT_EXAMPLE]}
        }
    )

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[Tensor]


class TensorMetadata(Body):
    """The form of an input or output; -1 is any number of rows."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Body):
    """The form of a model."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": MODEL_ID,
                "versions": ["1"],
                "platform": "onnxruntime_onnx",
                "inputs": [{"name": INPUT, "datatype": "FP32", "shape": [-1, 3]}],
                "outputs": [{"name": "codes", "datatype": "INT64", "shape": [-1, 2]}],
            }
        }
    )

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(Body):
    """What serves."""

    name: str = Field(examples=["catvq"])
    version: str = Field(examples=["0.1.0"])
    extensions: list[str] = Field(examples=[["binary_tensor_data"]])


class Liveness(Body):
    """Whether the server answers."""

    live: bool = Field(examples=[True])


class Readiness(Body):
    """Whether the server, or a model, can compute."""

    name: str | None = Field(None, description="Of the model.")
    ready: bool = Field(examples=[True])
