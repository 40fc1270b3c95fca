"""Frozen records that the store returns and accepts; times are aware datetimes in UTC."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from worker.contract.job_config import JobKind, JobStatus

Json = dict[str, Any]


class RequestedAction(StrEnum):
    """What the worker of a running job is asked to do at its next heartbeat."""

    NONE = "none"
    CANCEL = "cancel"
    PAUSE = "pause"
    DRAIN = "drain"
    STEER = "steer"


@dataclass(frozen=True, kw_only=True)
class NewDataset:
    """A parsed table whose values are in a file, before it is stored.

    Args:
        features: Those of the table in column order, then the channels `family/channel` of each other family.
        families: The features of each family, in that order.
        kinds: The families that are no part of the table, in the order of their files: family, kind (series
            or grid), channels (names without the family), length ({"min", "max"} of a series, else null) and
            shape ([H, W] of a grid, else null).
        columns: What is to be known of features that are no plain numbers, and of keys: name, type
            (categorical, datetime or key; numeric of a code), values (of a categorical feature, whose cells
            hold their index), origin (of a datetime feature, from when its seconds count), and of a code
            codebook_size and coded_families (those of its category's features).
        left_out: Columns of the file that are neither features nor keys: name and reason.
        reading: What was said of its cells, if anything: na_values and date_order.
        digest: Over bytes and settings; two datasets with one digest are the same dataset.
        key_id: The API key that uploaded it or had it made, where one was needed.
    """

    name: str | None
    features: list[str]
    families: dict[str, list[str]]
    digest: str
    rows: int
    warnings: list[Any]
    kinds: list[Json] = field(default_factory=list)
    columns: list[Json] = field(default_factory=list)
    left_out: list[Json] = field(default_factory=list)
    reading: Json = field(default_factory=dict)
    key_id: str | None = None

    @property
    def table_features(self) -> list[str]:
        """The features of the table, in column order: all but channels."""
        channels = sum(len(kind["channels"]) for kind in self.kinds)
        return self.features[: len(self.features) - channels]


@dataclass(frozen=True, kw_only=True)
class NewFiles:
    """The finished files of a dataset on the data directory's file system (`Store.spool_dir` is).

    Args:
        values: NPY, float32 or float64 [rows, features of the table], NaN = missing.
        keys: Parquet, a column of text [rows] for each key; None without keys.
        families: Of each family that is no part of the table, in the order of `NewDataset.kinds`: the values
            (NPY, float32 [all lengths together, C] or [rows, C, H, W], NaN = missing), and of a series also
            where each row begins and ends (NPY, int64 [rows + 1]).
    """

    values: Path
    keys: Path | None = None
    families: tuple[tuple[Path, Path | None], ...] = ()


@dataclass(frozen=True, kw_only=True)
class DatasetRecord(NewDataset):
    """A stored dataset."""

    id: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class AttemptRecord:
    """The current attempt at a job.

    Args:
        number: 1 at first and again after an attempt that saved a checkpoint; 0 before the first start.
        max: The job fails when the attempt of this number is lost.
        history: One object for each lost attempt: number, worker, reason, epoch.
    """

    number: int
    max: int
    history: list[Json]


@dataclass(frozen=True, kw_only=True)
class LiveState:
    """The state of a job after its last recorded epoch; each field as the API shows it."""

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
    """A change that a user made to a run, with the moment of its effect, so that it can be replayed.

    Args:
        held: Whether the temperature is held from then on; None leaves that unchanged.
        temperature: The held temperature, above 0; None until the run records its own.
        finish: Whether the run ends early and publishes its current model.
        step: Completed steps when it took effect; None while it has not.
        is_training: Whether the search had ended by then.
    """

    held: bool | None = None
    temperature: float | None = None
    finish: bool = False
    step: int | None = None
    is_training: bool = False

    @property
    def moment(self) -> tuple[int, bool] | None:
        """When it took effect, None while it has not; the moments of a run are ordered."""
        return None if self.step is None else (self.step, self.is_training)


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """A stored job.

    Args:
        version: Grows with every change that a user can see; used as an ETag.
        config: The `RunConfig` as submitted; of an encoding job: its model.
        resolved: The plan made from it.
        requested_action: What its worker is asked to do; NONE when nothing is pending.
        start_model_id: The model to encode with or, with init "model", to start from. An alias was resolved
            when the job was submitted.
        model_id: The model of a training job that succeeded.
        result_dataset_id: The dataset of an encoding job that succeeded.
        threads: Torch threads of the first attempt, used by all later ones; None before it.
        event_count: The number of the newest event.
        steering: The changes that its user made while it ran, in order.
        key_id: The API key that submitted it; None without keys.
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
    requested_action: RequestedAction
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
        """Whether the user holds the temperature."""
        choices = [change.held for change in self.steering if change.held is not None]
        return bool(choices) and choices[-1]

    @property
    def temperature(self) -> float | None:
        """The current temperature; None before the first step and in static mode."""
        held_at = None
        for change in self.steering:
            if change.held is not None:
                held_at = (change.temperature or held_at) if change.held else None
        return held_at or (None if self.live is None else self.live.temperature)

    @property
    def is_finishing(self) -> bool:
        """Whether the user asked to finish early."""
        return any(change.finish for change in self.steering)

    @property
    def seed(self) -> int | None:
        """The seed of all randomness in the run; None for an encoding job."""
        return None if self.kind is JobKind.ENCODING else int(self.config["training"]["seed"])

    @property
    def epochs(self) -> int:
        """Passes over the rows."""
        return 1 if self.kind is JobKind.ENCODING else int(self.resolved["config"]["training"]["epochs"])


@dataclass(frozen=True)
class Submission:
    """The job of a submission; `replayed` when an earlier request with the same idempotency key made it."""

    job: JobRecord
    replayed: bool


@dataclass(frozen=True)
class Claim:
    """The right to run a job; every write of the holder is checked against the token."""

    job: JobRecord
    token: int

    @property
    def name(self) -> str:
        """For logs."""
        return f"job {self.job.id}"


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """A published, immutable model; document holds what `GET /v1/models/{id}` shows."""

    id: str
    digest: str
    job_id: str
    dataset_id: str
    created_at: datetime
    document: Json


@dataclass(frozen=True, kw_only=True)
class WorkerRecord:
    """A running worker.

    Args:
        since: When it started.
        reported_at: When it last reported.
        devices: "cpu", then "cuda:0", "cuda:1", ...
        memory_bytes: The most that one of its jobs may take: the memory of its machine or container.
    """

    name: str
    since: datetime
    reported_at: datetime
    devices: tuple[str, ...]
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class AliasRecord:
    """A movable name of a model; version grows by 1 with every move."""

    name: str
    model_id: str
    version: int
    updated_at: datetime
