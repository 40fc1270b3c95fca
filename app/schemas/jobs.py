"""Bodies of the job routes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from app.schemas.common import Body
from worker.contract import JobStatus
from worker.store import CheckpointRecord, EventRecord, JobRecord

JOB_EXAMPLE: dict[str, Any] = {
    "id": "job_8c0f2a6b1d3e4f5a6b7c8d9e",
    "status": "running",
    "status_reason": None,
    "queue": {"position": None},
    "created_at": "2026-01-01T12:00:00Z",
    "started_at": "2026-01-01T12:00:01Z",
    "finished_at": None,
    "progress": {
        "fraction": 0.42,
        "epoch": 21,
        "epochs": 50,
        "step": 8400,
        "steps": 20000,
        "eta_seconds": 95.0,
    },
    "temperature": 0.61,
    "losses": {"total": 0.92, "reconstruction": 0.31, "validation": 0.33},
    "assignment": {
        "entropy": 0.8,
        "confident_fraction": 0.65,
        "changed_last_epoch": 3,
        "active_categories": 11,
    },
    "codebook": {"perplexity": 14.2, "usage": 0.81},
    "attempt": {"number": 1, "max": 5, "history": []},
    "config": {"dataset": "ds_2f9c51d1a0b34c7e8d6f5a21", "training": {"epochs": 50}},
    "seed": 0,
    "model": None,
    "error": None,
    "links": {"self": "/v1/jobs/job_8c0f2a6b1d3e4f5a6b7c8d9e"},
}


class QueuePlace(Body):
    """Where a job waits."""

    position: int | None = Field(description="1 is next; null when it does not wait.")


class JobProgress(Body):
    """How far a job has come."""

    fraction: float
    epoch: int
    epochs: int
    step: int
    steps: int
    eta_seconds: float | None


class Losses(Body):
    """Means over the last epoch."""

    total: float | None
    reconstruction: float | None
    validation: float | None = Field(description="Reconstruction on held-out rows.")


class AssignmentSummary(Body):
    """How far the assignment has settled."""

    entropy: float | None
    confident_fraction: float | None
    changed_last_epoch: int | None
    active_categories: int | None


class CodebookSummary(Body):
    """How well the codebooks are used."""

    perplexity: float | None
    usage: float | None


class Attempt(Body):
    """Which attempt at the job this is."""

    number: int
    max: int
    history: list[dict[str, Any]] = Field(description="Attempts that were lost, and why.")


class JobFailure(Body):
    """Why a job failed."""

    code: str
    text: str


class Job(Body):
    """A run of work."""

    model_config = ConfigDict(json_schema_extra={"example": JOB_EXAMPLE})

    id: str
    status: JobStatus
    status_reason: str | None
    queue: QueuePlace
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: JobProgress
    temperature: float | None
    losses: Losses
    assignment: AssignmentSummary
    codebook: CodebookSummary
    attempt: Attempt
    config: dict[str, Any] = Field(description="The request with everything filled in.")
    seed: int
    model: str | None = Field(description="The model, once the job has succeeded.")
    error: JobFailure | None
    links: dict[str, str]


class RowSplit(Body):
    """How the rows are used."""

    train: int
    validation: int = Field(description="Seen by choices such as early stopping.")
    test: int = Field(description="Seen by no choice.")


class Estimate(Body):
    """A rough forecast."""

    memory_bytes: int
    seconds: float
    basis: str = Field(description="What it rests on.")


class JobPlan(Body):
    """What a job would do; nothing is stored."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "config": {"dataset": "ds_2f9c51d1a0b34c7e8d6f5a21", "training": {"batch_size": 64}},
                "rows": {"train": 1437, "validation": 180, "test": 180},
                "steps_per_epoch": 22,
                "steps": 2200,
                "estimate": {"memory_bytes": 463470592, "seconds": 41.5, "basis": "..."},
                "warnings": [],
            }
        }
    )

    config: dict[str, Any] = Field(
        description="The request with every setting filled in that needs no look at the data."
    )
    rows: RowSplit
    steps_per_epoch: int
    steps: int
    estimate: Estimate
    warnings: list[str]


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


def to_job(record: JobRecord, position: int | None) -> dict[str, Any]:
    """Return what the API shows of a job."""
    live = record.live
    return {
        "id": record.id,
        "status": record.status,
        "status_reason": record.status_reason,
        "queue": {"position": position},
        "created_at": record.created_at,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "progress": _progress(record),
        "temperature": live.temperature if live else None,
        "losses": _pick(Losses, live.losses if live else {}),
        "assignment": _pick(AssignmentSummary, live.assignment if live else {}),
        "codebook": _pick(CodebookSummary, live.codebook if live else {}),
        "attempt": {
            "number": record.attempt.number,
            "max": record.attempt.max,
            "history": record.attempt.history,
        },
        "config": complete_config(record.dataset_id, record.name, record.labels, record.resolved["config"]),
        "seed": record.seed,
        "model": record.model_id,
        "error": {"code": record.error.code, "text": record.error.text} if record.error else None,
        "links": _links(record),
    }


def complete_config(
    dataset_id: str, name: str | None, labels: Mapping[str, str], config: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a resolved configuration in the form of the request that it answers."""
    return {"dataset": dataset_id, "name": name, "labels": labels, **config}


def _progress(record: JobRecord) -> dict[str, Any]:
    if record.live is not None:
        return _pick(JobProgress, record.live.progress)
    epochs, steps = record.config["training"]["epochs"], record.resolved["steps"]
    return {"fraction": 0.0, "epoch": 0, "epochs": epochs, "step": 0, "steps": steps, "eta_seconds": None}


def _pick(model: type[Body], values: dict[str, Any]) -> dict[str, Any]:
    return {name: values.get(name) for name in model.model_fields}


def _links(record: JobRecord) -> dict[str, str]:
    own = f"/v1/jobs/{record.id}"
    parts = ("temperature", "assignment", "metrics", "events", "checkpoints")
    links = {"self": own, "dataset": f"/v1/datasets/{record.dataset_id}"}
    links |= {part: f"{own}/{part}" for part in parts}
    if not record.status.is_terminal:
        links["cancel"] = f"{own}/cancel"
    if record.model_id is not None:
        links["model"] = f"/v1/models/{record.model_id}"
    return links
