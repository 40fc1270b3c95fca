"""Bodies of what is recorded of a job."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from app.schemas.common import Body
from worker.store import CheckpointRecord, EventRecord


class Temperature(Body):
    """The temperature of a job's assignment and its schedule."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "temperature": 0.61,
                "start": 1.0,
                "end": 0.1,
                "schedule": "linear",
                "epoch": 21,
                "epochs": 50,
                "held": False,
            }
        }
    )

    temperature: float | None = Field(description="Null before the first step, and in static mode.")
    start: float | None
    end: float | None
    schedule: str | None
    epoch: int | None
    epochs: int
    held: bool


class SoftAssignment(Body):
    """How much each feature belongs to each category; null before the first step."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "features": ["p0", "p1"],
                "categories": ["category_0", "category_1"],
                "matrix": [[0.9, 0.1], [0.2, 0.8]],
                "temperature": 0.61,
                "epoch": 21,
            }
        }
    )

    features: list[str] | None = Field(description="Null when dataset and model were deleted.")
    categories: list[str] | None
    matrix: list[list[float]] | None = Field(description="A row per feature; rows sum to 1.")
    temperature: float | None
    epoch: int | None


class Metrics(Body):
    """What was measured after each epoch, down-sampled."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "columns": ["epoch", "step", "time", "total", "validation"],
                "points": [
                    {"epoch": 1, "step": 400, "time": "2026-01-01T12:00:05Z", "total": 1.9, "validation": 0.9}
                ],
            }
        }
    )

    columns: list[str]
    points: list[dict[str, Any]]


class Event(Body):
    """Something that happened to a job."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"id": 1, "time": "2026-01-01T12:00:00Z", "type": "submitted", "data": {}}
        }
    )

    id: int = Field(description="Counts from 1 within the job.")
    time: datetime
    type: str
    data: dict[str, Any]


class Checkpoint(Body):
    """A state from which a job can be resumed."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "epoch": 21,
                "step": 8400,
                "digest": "sha256:9f86...",
                "size_bytes": 1048576,
                "created_at": "2026-01-01T12:01:00Z",
            }
        }
    )

    epoch: int
    step: int
    digest: str
    size_bytes: int
    created_at: datetime


class Checkpoints(Body):
    """The newest states of a job, newest first."""

    items: list[Checkpoint]


def to_event(record: EventRecord) -> dict[str, Any]:
    """Return what the API shows of an event."""
    return {"id": record.seq, "time": record.time, "type": record.type, "data": record.data}


def to_checkpoint(record: CheckpointRecord) -> dict[str, Any]:
    """Return what the API shows of a checkpoint."""
    return {
        "epoch": record.epoch,
        "step": record.step,
        "digest": record.digest,
        "size_bytes": record.size_bytes,
        "created_at": record.created_at,
    }
