"""What the store hands out and takes in: frozen records, times as aware datetimes in UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.contract.job_config import JobKind, JobStatus

Json = dict[str, Any]


class Wish(StrEnum):
    """What somebody wants the worker of a running job to do."""

    NONE = "none"
    CANCEL = "cancel"
    PAUSE = "pause"
    DRAIN = "drain"
    STEER = "steer"


@dataclass(frozen=True, kw_only=True)
class NewDataset:
    """A table whose values were parsed and written, but not yet put into the store.

    Args:
        families: The features of each family, in column order.
        columns: What is to be known of features that are no plain numbers, and of keys: name, type
            (categorical, datetime or key) and values (of a categorical feature, whose cells hold their
            index).
        left_out: Columns of the file that are neither features nor keys: name and reason.
        digest: Over bytes and settings; two datasets with one digest are the same dataset.
        key_id: The API key that uploaded it or had it made, where one was needed.
    """

    name: str | None
    features: list[str]
    families: dict[str, list[str]]
    digest: str
    rows: int
    warnings: list[Any]
    columns: list[Json] = field(default_factory=list)
    left_out: list[Json] = field(default_factory=list)
    strict: bool = False
    key_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetRecord(NewDataset):
    """A stored dataset."""

    id: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class AttemptRecord:
    """Which attempt at a job this is.

    Args:
        number: 1 at first and again after an attempt that saved a checkpoint; 0 before the first start.
        max: The job fails when the worker of this attempt is lost, too.
        history: One object for each lost worker: number, worker, reason, epoch, ended_at.
    """

    number: int
    max: int
    history: list[Json]


@dataclass(frozen=True, kw_only=True)
class LiveState:
    """How a job stands, as of its last recorded epoch; each field as the API shows it."""

    progress: Json
    temperature: float | None
    losses: Json
    assignment: Json
    codebook: Json


@dataclass(frozen=True, kw_only=True)
class JobError:
    """Why a job failed."""

    code: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Steering:
    """A change of a run's course, noted with the moment at which it took effect, so that it can be repeated.

    Args:
        held: Whether the temperature is held from there on; None leaves that as it was.
        temperature: What it is held at; None until the run says at which temperature it stands.
        finish: Whether the run shall end with what it has learnt.
        step: Completed steps at that moment; None until it took effect.
        is_training: Whether the search was over at that moment.
    """

    held: bool | None = None
    temperature: float | None = None
    finish: bool = False
    step: int | None = None
    is_training: bool = False

    @property
    def moment(self) -> tuple[int, bool] | None:
        """When it took effect, None while it has not; moments of one run are ordered."""
        return None if self.step is None else (self.step, self.is_training)


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """A job as it stands.

    Args:
        version: Grows with every change that a user can see, so it may serve as an ETag.
        config: The `JobConfig` as given. resolved: What the plan made of it. Of an encoding: its model.
        start_model_id: The model that it needs: the one to encode with, or with init "model" the one to start
            from. Its alias was resolved when the job was submitted.
        model_id: What training has made. result_dataset_id: What encoding has made.
        threads: Torch threads of the first attempt, which all others repeat; None before it.
        event_count: The number of the newest event.
        steering: What its user changed while it ran, in order.
        key_id: The API key that submitted it, where one was needed.
    """

    id: str
    kind: JobKind
    name: str | None
    labels: dict[str, str]
    dataset_id: str
    start_model_id: str | None
    config: Json
    resolved: Json
    status: JobStatus
    status_reason: str | None
    wish: Wish
    version: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    live: LiveState | None
    model_id: str | None
    result_dataset_id: str | None
    error: JobError | None
    threads: int | None
    attempt: AttemptRecord
    token: int
    worker_name: str | None
    event_count: int
    steering: tuple[Steering, ...]
    key_id: str | None

    @property
    def is_temperature_held(self) -> bool:
        """Whether its user holds the temperature."""
        wishes = [change.held for change in self.steering if change.held is not None]
        return bool(wishes) and wishes[-1]

    @property
    def temperature(self) -> float | None:
        """The temperature that it steps with; None before the first step and in static mode."""
        held_at = None
        for change in self.steering:
            if change.held is not None:
                held_at = (change.temperature or held_at) if change.held else None
        return held_at or (None if self.live is None else self.live.temperature)

    @property
    def is_finishing(self) -> bool:
        """Whether its user wants what was learnt so far."""
        return any(change.finish for change in self.steering)

    @property
    def seed(self) -> int | None:
        """The seed of all randomness in the run; None where there is no randomness."""
        return None if self.kind is JobKind.ENCODING else int(self.config["training"]["seed"])

    @property
    def epochs(self) -> int:
        """How often it goes through the rows."""
        return 1 if self.kind is JobKind.ENCODING else int(self.resolved["config"]["training"]["epochs"])


@dataclass(frozen=True)
class Submission:
    """The job of a submission; `replayed` when an earlier one with the same key had made it."""

    job: JobRecord
    replayed: bool


@dataclass(frozen=True)
class Claim:
    """The right to run a job; every write of the holder is checked against the token."""

    job: JobRecord
    token: int


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a running job records after an epoch.

    Args:
        epoch: Completed ones; 0 for the state before the first.
        is_finished: Whether no epoch is left; it may have ended before the last.
        matrix: float32 [features, categories], the soft assignment over every uploaded feature.
        categories: Names of the columns.
        metrics: Finite or not, one value per name; empty at epoch 0.
        settled_epoch: When the assignment was made hard ahead of time; None where it was not.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    temperature: float | None
    losses: Mapping[str, float | None]
    assignment: Mapping[str, Any]
    codebook: Mapping[str, Any]
    eta_seconds: float | None
    matrix: NDArray[np.float32]
    categories: list[str]
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    is_finished: bool = False
    settled_epoch: int | None = None


@dataclass(frozen=True, kw_only=True)
class AssignmentRecord:
    """The soft assignment after an epoch; matrix is float32 [features, categories]."""

    job_id: str
    epoch: int
    step: int
    temperature: float | None
    categories: list[str]
    matrix: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class MetricRecord:
    """The metrics of one epoch."""

    epoch: int
    step: int
    time: datetime
    values: dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class EventRecord:
    """Something that happened to a job; numbered from 1."""

    seq: int
    time: datetime
    type: str
    data: Json


@dataclass(frozen=True, kw_only=True)
class CheckpointRecord:
    """A state from which a job can be resumed; path is absolute, digest is SHA-256 of the file."""

    job_id: str
    epoch: int
    step: int
    path: Path
    digest: str
    size_bytes: int
    token: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """An immutable result; document is what `GET /v1/models/{id}` shows of it."""

    id: str
    digest: str
    job_id: str
    dataset_id: str
    created_at: datetime
    document: Json


@dataclass(frozen=True, kw_only=True)
class WorkerRecord:
    """A worker that is there.

    Args:
        devices: Such as "cpu" or "cuda:0".
        memory_bytes: What one of its jobs may take at most: all of its machine's or container's.
    """

    name: str
    threads: int
    devices: tuple[str, ...]
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class AliasRecord:
    """A movable name of a model; version grows by 1 with every move."""

    name: str
    model_id: str
    version: int
    updated_at: datetime
