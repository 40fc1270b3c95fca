"""Bodies of the job routes."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import Field

from app.schemas.common import Body, example
from worker.contract.job_config import JobKind, JobStatus
from worker.store import JobRecord

JOB_EXAMPLE: dict[str, Any] = {
    "id": "job_8c0f2a6b1d3e4f5a6b7c8d9e",
    "kind": "training",
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
    "result": None,
    "error": None,
    "links": {"self": "/v1/jobs/job_8c0f2a6b1d3e4f5a6b7c8d9e"},
}


# The actions that a job's links offer in each state.
ACTIONS: dict[JobStatus, tuple[str, ...]] = {
    JobStatus.QUEUED: ("cancel", "pause"),
    JobStatus.RUNNING: ("cancel", "pause", "finish"),
    JobStatus.PAUSING: ("cancel", "resume", "finish"),
    JobStatus.PAUSED: ("cancel", "resume", "finish"),
    JobStatus.CANCELLING: (),
    JobStatus.CANCELLED: ("retry",),
    JobStatus.SUCCEEDED: (),
    JobStatus.FAILED: ("retry",),
}


class QueuePlace(Body):
    """A job's place in the queue."""

    position: int | None = Field(description="1 is next; null if the job is not queued.")


class JobProgress(Body):
    """Progress of a job."""

    fraction: float
    epoch: int
    epochs: int
    step: int
    steps: int
    eta_seconds: float | None


class Losses(Body):
    """Mean losses over the last epoch."""

    total: float | None
    reconstruction: float | None
    validation: float | None = Field(description="Reconstruction loss on validation rows.")


class AssignmentSummary(Body):
    """How decided the assignment is."""

    entropy: float | None
    confident_fraction: float | None
    changed_last_epoch: int | None
    active_categories: int | None


class CodebookSummary(Body):
    """Usage of the codebooks."""

    perplexity: float | None
    usage: float | None


class Attempt(Body):
    """Number of the current attempt, and earlier lost ones."""

    number: int
    max: int
    history: list[dict[str, Any]] = Field(description="Lost attempts, with their reasons.")


class JobFailure(Body):
    """Why a job failed."""

    code: str
    text: str


class Job(Body):
    """A job: a training or an encoding of a dataset."""

    model_config = example(JOB_EXAMPLE)

    id: str
    kind: JobKind
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
    config: dict[str, Any] = Field(description="The request with all defaults filled in.")
    seed: int | None = Field(description="Null for an encoding job.")
    model: str | None = Field(description="Id of the model, once a training job has succeeded.")
    result: str | None = Field(description="Id of the dataset of codes, once an encoding job has succeeded.")
    error: JobFailure | None
    links: dict[str, str]


class RowSplit(Body):
    """Split of the rows."""

    train: int
    validation: int = Field(description="Used for decisions such as early stopping.")
    test: int = Field(description="Used for no decision, only for the final measurement.")


class Estimate(Body):
    """A rough estimate of memory and time."""

    memory_bytes: int
    seconds: float
    basis: str = Field(description="What the estimate is based on.")
    driven_by: dict[str, int | str] = Field(
        description="The settings that determine most of the memory, with their values, largest first."
    )


class JobPlan(Body):
    """The plan of a job; nothing is stored."""

    model_config = example(
        {
            "config": {"dataset": "ds_2f9c51d1a0b34c7e8d6f5a21", "training": {"batch_size": 64}},
            "rows": {"train": 1437, "validation": 180, "test": 180},
            "steps_per_epoch": 22,
            "search_steps": 0,
            "steps": 2200,
            "estimate": {
                "memory_bytes": 763470592,
                "seconds": 41.5,
                "basis": "...",
                "driven_by": {"rows": 1797, "features": 64},
            },
            "warnings": [],
        }
    )

    config: dict[str, Any] = Field(
        description="The request with all defaults filled in that do not depend on the data's values."
    )
    rows: RowSplit
    steps_per_epoch: int
    search_steps: int = Field(description="Steps of the search for the assignment, before the first epoch.")
    steps: int = Field(description="All steps together.")
    estimate: Estimate
    warnings: list[str]


def to_job(record: JobRecord, position: int | None) -> dict[str, Any]:
    """Return the body of a job."""
    live = record.live
    return {
        "id": record.id,
        "kind": record.kind,
        "status": record.status,
        "status_reason": record.status_reason,
        "queue": {"position": position},
        "created_at": record.created_at,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "progress": _progress(record),
        "temperature": record.temperature,
        "losses": _pick(Losses, live.losses if live else {}),
        "assignment": _pick(AssignmentSummary, live.assignment if live else {}),
        "codebook": _pick(CodebookSummary, live.codebook if live else {}),
        "attempt": asdict(record.attempt),
        "config": complete_config(record.dataset_id, record.name, record.labels, record.resolved["config"]),
        "seed": record.seed,
        "model": record.model_id,
        "result": record.result_dataset_id,
        "error": asdict(record.error) if record.error else None,
        "links": _links(record),
    }


def complete_config(
    dataset_id: str, name: str | None, labels: Mapping[str, str], config: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a resolved configuration in the form of a request."""
    return {"dataset": dataset_id, "name": name, "labels": labels, **config}


def _progress(record: JobRecord) -> dict[str, Any]:
    if record.live is not None:
        return _pick(JobProgress, record.live.progress)
    epochs, steps = record.epochs, record.resolved["steps"]
    return {"fraction": 0.0, "epoch": 0, "epochs": epochs, "step": 0, "steps": steps, "eta_seconds": None}


def _pick(model: type[Body], values: dict[str, Any]) -> dict[str, Any]:
    return {name: values.get(name) for name in model.model_fields}


def _links(record: JobRecord) -> dict[str, str]:
    own = f"/v1/jobs/{record.id}"
    parts = ("temperature", "assignment", "metrics", "events", "checkpoints")
    links = {"self": own, "dataset": f"/v1/datasets/{record.dataset_id}"}
    links |= {part: f"{own}/{part}" for part in parts}
    for action in ACTIONS[record.status]:
        if record.kind is JobKind.TRAINING or action != "finish":
            links[action] = f"{own}/{action}"
    if record.model_id is not None:
        links["model"] = f"/v1/models/{record.model_id}"
    if record.result_dataset_id is not None:
        links["result"] = f"/v1/datasets/{record.result_dataset_id}"
    return links
