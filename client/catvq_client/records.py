"""The service's responses as frozen, typed records.

Fields that a newer service adds are kept (`model_extra`), so that an older client shows them, too.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

JobState = Literal["queued", "running", "pausing", "paused", "cancelling", "cancelled", "succeeded", "failed"]
TERMINAL_STATES: frozenset[str] = frozenset({"cancelled", "succeeded", "failed"})


class Record(BaseModel):
    """Base of all records."""

    model_config = ConfigDict(frozen=True, extra="allow")

    def document(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return self.model_dump(mode="json", by_alias=True)


class Family(Record):
    """A named block of features: of columns, or the channels of series (with the lengths) or grids."""

    features: int
    kind: str = "tabular"
    length: dict[str, int] | None = None
    shape: tuple[int, int] | None = None


class Notice(Record):
    """A warning about a table, such as missing values."""

    code: str
    detail: str
    column: str | None = None


class Column(Record):
    """A column of a table; values are those of a categorical one, origin is when a datetime one begins."""

    name: str
    type: str
    family: str | None = None
    values: tuple[str, ...] | None = None
    origin: str | None = None
    missing: int | None = None


class LeftOut(Record):
    """A column of the file that is neither learnt from nor kept."""

    name: str
    reason: str


class CellReading(Record):
    """What was said of cells; rows to encode are read in the same way."""

    na_values: tuple[str | float, ...] = ()
    date_order: str = "year"


class Preview(Record):
    """How a table would be read."""

    name: str | None = None
    rows: int
    features: tuple[str, ...]
    families: dict[str, Family]
    columns: tuple[Column, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    reading: CellReading = CellReading()
    warnings: tuple[Notice, ...] = ()


class Dataset(Preview):
    """An uploaded table."""

    id: str
    digest: str


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
    codebook: dict[str, Any] | None = None
    attempt: dict[str, Any] | None = None
    config: dict[str, Any] = {}
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


class Key(Record):
    """An API key; its secret is there only where it was just made."""

    id: str
    name: str | None = None
    scope: Literal["read", "write", "admin"]
    created_at: datetime
    rotated_at: datetime | None = None
    secret: str | None = Field(None, repr=False)


class Worker(Record):
    """A running worker, and the job that it runs."""

    name: str
    since: datetime
    device: str
    job: str | None = None
    last_heard_of: datetime
