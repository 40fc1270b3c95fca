"""Bodies of a job's records: temperature, assignment, metrics, events, checkpoints."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from app.schemas.common import Body, example
from worker.store import CheckpointRecord, EventRecord, JobRecord

# The conditions of the validator, for OpenAPI.
ANY_CHANGE: list[Any] = [
    {"required": ["held"], "properties": {"held": {"const": True}}},
    {"required": ["held"], "properties": {"held": {"const": False}, "temperature": {"type": "null"}}},
    {
        "required": ["temperature"],
        "properties": {"held": {"type": "null"}, "temperature": {"type": "number"}},
    },
]


class Temperature(Body):
    """The temperature of a job's assignment, and its schedule."""

    model_config = example(
        {
            "temperature": 0.61,
            "start": 1.0,
            "end": 0.1,
            "schedule": "linear",
            "epoch": 21,
            "epochs": 50,
            "held": False,
        }
    )

    temperature: float | None = Field(description="Null before the first step, and in static mode.")
    start: float | None
    end: float | None
    schedule: str | None
    epoch: int | None
    epochs: int
    held: bool = Field(description="Whether a user holds it; then the schedule is ignored.")


class TemperatureChange(Body):
    """A change of a job's temperature: hold it at its current or a given value, or release it."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"temperature": 0.5}, "anyOf": ANY_CHANGE}, strict=True
    )

    held: bool | None = Field(None, description="True: hold it; false: return to the schedule.")
    temperature: Annotated[float, Field(ge=0.001, le=1e6, allow_inf_nan=False)] | None = Field(
        None, description="The value to hold; null: the current value."
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.held is None and self.temperature is None:
            raise ValueError("give held, temperature, or both")
        if self.held is False and self.temperature is not None:
            raise ValueError("a temperature can only be given if it is held: leave out one of the two fields")
        return self

    @property
    def is_held(self) -> bool:
        """Whether to hold the temperature."""
        return self.held is not False


class SoftAssignment(Body):
    """Soft assignment of features to categories; null before the first step."""

    model_config = example(
        {
            "features": ["p0", "p1"],
            "categories": ["category_0", "category_1"],
            "matrix": [[0.9, 0.1], [0.2, 0.8]],
            "temperature": 0.61,
            "epoch": 21,
        }
    )

    features: list[str] | None = Field(description="Null if dataset and model were deleted.")
    categories: list[str] | None
    matrix: list[list[float]] | None = Field(description="One row per feature; each row sums to 1.")
    temperature: float | None
    epoch: int | None


class Metrics(Body):
    """Metrics measured after each epoch, down-sampled."""

    model_config = example(
        {
            "columns": ["epoch", "step", "time", "total", "validation"],
            "points": [
                {"epoch": 1, "step": 400, "time": "2026-01-01T12:00:05Z", "total": 1.9, "validation": 0.9}
            ],
        }
    )

    columns: list[str]
    points: list[dict[str, Any]]


class Event(Body):
    """Something that happened to a job."""

    model_config = example({"id": 1, "time": "2026-01-01T12:00:00Z", "type": "submitted", "data": {}})

    id: int = Field(description="Number of the event within the job, from 1.")
    time: datetime
    type: str
    data: dict[str, Any]


class Checkpoint(Body):
    """A state from which a job can be resumed."""

    model_config = example(
        {
            "epoch": 21,
            "step": 8400,
            "digest": "sha256:9f86...",
            "size_bytes": 1048576,
            "created_at": "2026-01-01T12:01:00Z",
        }
    )

    epoch: int
    step: int
    digest: str
    size_bytes: int
    created_at: datetime


class Checkpoints(Body):
    """A job's checkpoints, newest first."""

    items: list[Checkpoint]
    assignments: list[int] = Field(
        examples=[[1, 2, 3]], description="Epochs whose assignment was kept: for `epoch=` of `assignment`."
    )


def to_temperature(record: JobRecord) -> dict[str, Any]:
    """Return the body of a job's temperature."""
    settings = record.resolved["config"].get("assignment", {})  # an encoding has none
    is_learnable = settings.get("mode") == "learnable"
    return {
        "temperature": record.temperature,
        "start": settings["temperature_start"] if is_learnable else None,
        "end": settings["temperature_end"] if is_learnable else None,
        "schedule": settings["temperature_schedule"] if is_learnable else None,
        "epoch": record.live.progress["epoch"] if record.live else None,
        "epochs": record.epochs,
        "held": record.is_temperature_held,
    }


def to_event(record: EventRecord) -> dict[str, Any]:
    """Return the body of an event."""
    return {"id": record.seq, "time": record.time, "type": record.type, "data": record.data}


def to_checkpoint(record: CheckpointRecord) -> dict[str, Any]:
    """Return the body of a checkpoint."""
    return {
        "epoch": record.epoch,
        "step": record.step,
        "digest": record.digest,
        "size_bytes": record.size_bytes,
        "created_at": record.created_at,
    }
