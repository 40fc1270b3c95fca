"""Records of jobs and of what is recorded of them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from catvq_client.records.base import Record
from catvq_client.records.html import shares_table

JobState = Literal["queued", "running", "pausing", "paused", "cancelling", "cancelled", "succeeded", "failed"]
TERMINAL_STATES: frozenset[str] = frozenset({"cancelled", "succeeded", "failed"})


class Queue(Record):
    """A job's place in the queue."""

    position: int | None = None


class Progress(Record):
    """Progress of a job; null before its first step."""

    fraction: float | None = None
    epoch: int | None = None
    epochs: int | None = None
    step: int | None = None
    steps: int | None = None
    eta_seconds: float | None = None


class AssignmentSummary(Record):
    """How decided the assignment is."""

    entropy: float | None = None
    confident_fraction: float | None = None
    changed_last_epoch: int | None = None
    active_categories: int | None = None


class CodebookSummary(Record):
    """Usage of the codebooks."""

    perplexity: float | None = None
    usage: float | None = None


class Attempt(Record):
    """Number of the current attempt, and earlier lost ones."""

    number: int
    max: int
    history: tuple[dict[str, Any], ...] = ()


class JobFailure(Record):
    """Why a job failed."""

    code: str
    text: str


class Job(Record):
    """A job and its current state."""

    id: str
    kind: str = "training"
    status: JobState
    status_reason: str | None = None
    queue: Queue | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: Progress | None = None
    temperature: float | None = None
    losses: dict[str, float | None] | None = None
    assignment: AssignmentSummary | None = None
    codebook: CodebookSummary | None = None
    attempt: Attempt | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    model: str | None = None
    result: str | None = None
    error: JobFailure | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended."""
        return self.status in TERMINAL_STATES

    @property
    def name(self) -> str | None:
        """The job's name."""
        name: str | None = self.config.get("name")
        return name

    @property
    def dataset(self) -> str | None:
        """Id of the job's dataset."""
        dataset: str | None = self.config.get("dataset")
        return dataset

    @property
    def reason(self) -> str | None:
        """Reason of the failure, or of the current state."""
        return self.error.text if self.error else self.status_reason


class Temperature(Record):
    """A job's temperature and its schedule; `temperature` is null before the first step."""

    temperature: float | None
    start: float | None = None
    end: float | None = None
    schedule: str | None = None
    epoch: int | None = None
    epochs: int | None = None
    held: bool = False


class Assignment(Record):
    """Assignment of features to categories: one row per feature, one column per category."""

    features: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None
    matrix: tuple[tuple[float, ...], ...] | None = None
    temperature: float | None = None
    epoch: int | None = None

    def _repr_html_(self) -> str:
        return shares_table(self.features or (), self.categories or (), self.matrix or ())


class Metrics(Record):
    """Metrics of the epochs, down-sampled."""

    columns: tuple[str, ...]
    points: tuple[dict[str, Any], ...]


class Event(Record):
    """An event of a job; ids count from 1."""

    id: int
    time: datetime
    type: str
    data: dict[str, Any]


class RowSplit(Record):
    """How a job splits the rows."""

    train: int
    validation: int
    test: int


class Estimate(Record):
    """A rough estimate of a job's memory and time."""

    memory_bytes: int
    seconds: float
    basis: str
    driven_by: dict[str, Any] = Field(default_factory=dict)


class Plan(Record):
    """The plan of a job that was not submitted."""

    config: dict[str, Any]
    rows: RowSplit
    steps_per_epoch: int
    search_steps: int
    steps: int
    estimate: Estimate
    warnings: tuple[str, ...] = ()
