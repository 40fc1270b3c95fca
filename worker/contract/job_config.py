"""What a job may ask for: the bodies of jobs, their states, and the names on the queue.

Imports neither torch nor Celery, so that the API can validate a job without loading either. What a training
run can be configured by is said in `catvq.config`; `app.requests.jobs.dry_run` fills in what is null or
"auto", or, where the data must be seen, the core.
"""

import json
from enum import StrEnum
from typing import Annotated, Any, Self

from annotated_types import Len
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    model_validator,
)

from catvq.config import (
    AssignmentSettings,
    CleaningSettings,
    FeatureSettings,
    ModelSettings,
    ReportSettings,
    RunConfig,
    TrainingSettings,
)
from catvq.names import Name, Visible

TRAIN_QUEUE = "catvq.train"
TRAIN_TASK = "catvq.train"

MAX_LABELS = 32
MAX_PREFIXES = 256

LabelValue = Annotated[str, Visible(repeats="*"), Len(0, 200)]


class JobKind(StrEnum):
    """What a job is for."""

    TRAINING = "training"
    ENCODING = "encoding"


class JobStatus(StrEnum):
    """The states of a job. Of the terminal ones only `succeeded` is final: retry requeues the others."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended; a retry may requeue it unless it succeeded."""
        return self in {JobStatus.CANCELLED, JobStatus.SUCCEEDED, JobStatus.FAILED}


def _check_distinct(lengths: list[int]) -> list[int]:
    if len(set(lengths)) < len(lengths):
        raise ValueError("a length is given twice")
    return lengths


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _read(kind: type) -> BeforeValidator:
    """Read a section as JSON: only there does a strict check take an object for a dataclass.

    It is written by `json`, which has integers of any size.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return BeforeValidator(
        lambda value: value if isinstance(value, kind) else adapter.validate_json(json.dumps(value))
    )


class JobRequest(_Body):
    """The body of `POST /v1/jobs`."""

    model: Annotated[ModelSettings, _read(ModelSettings)] = ModelSettings()
    assignment: Annotated[AssignmentSettings, _read(AssignmentSettings)] = AssignmentSettings()
    training: Annotated[TrainingSettings, _read(TrainingSettings)] = TrainingSettings()
    cleaning: Annotated[CleaningSettings, _read(CleaningSettings)] = CleaningSettings()
    report: Annotated[ReportSettings, _read(ReportSettings)] = ReportSettings()
    features: Annotated[FeatureSettings, _read(FeatureSettings)] = FeatureSettings()
    dataset: Annotated[Name, Field(description="Id of an uploaded dataset.")]
    name: Name | None = None
    labels: Annotated[dict[Name, LabelValue], Field(max_length=MAX_LABELS)] = {}

    @property
    def config(self) -> RunConfig:
        """The part that the training run needs."""
        return RunConfig(
            model=self.model,
            assignment=self.assignment,
            training=self.training,
            cleaning=self.cleaning,
            report=self.report,
            features=self.features,
        )


class EncodingJobRequest(_Body):
    """The body of `POST /v1/models/{model_id}/encoding-jobs`."""

    dataset: Annotated[Name, Field(description="Id of the dataset to encode.")]
    keys: Annotated[
        list[Name], Field(description="Keys of the dataset that the result has, too; also as `keys=`.")
    ] = []
    prefixes: Annotated[
        list[Annotated[int, Field(ge=1, le=2**31 - 1)]],
        Field(
            max_length=MAX_PREFIXES,
            description="Encode how the series of each row begin: one row of the result for each row and "
            "length, told by its keys `row` and `length`. A shorter series is encoded whole.",
        ),
        AfterValidator(_check_distinct),
    ] = []
    name: Name | None = None
    labels: Annotated[dict[Name, LabelValue], Field(max_length=MAX_LABELS)] = {}

    @model_validator(mode="after")
    def _keys_do_not_collide(self) -> Self:
        if self.prefixes and set(self.keys) & {"row", "length"}:
            raise ValueError("with prefixes the result has keys row and length of its own")
        return self
