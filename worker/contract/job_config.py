"""What a job may ask for: the configuration of a training run, its states, and the names on the queue.

Imports neither torch nor Celery, so that the API can validate a job without loading either.
Null means "the recipe's own value"; "auto" means "worked out from the data". Both are resolved by
`app.requests.jobs.dry_run` or, where the data must be seen, by the core.
"""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from worker.contract.names import HIDDEN, hidden_character

TRAIN_QUEUE = "catvq.train"
TRAIN_TASK = "catvq.train"

MAX_CATEGORIES = 1024
MAX_LABELS = 32
MAX_PREFIXES = 256


def _check_visible(text: str) -> str:
    found = hidden_character(text)
    if found is not None:
        raise ValueError(f"holds {found}, which cannot be seen; leave it out")
    return text


def _check_distinct(lengths: list[int]) -> list[int]:
    if len(set(lengths)) < len(lengths):
        raise ValueError("a length is given twice")
    return lengths


Auto = Literal["auto"]
Estimator = Literal["auto", "mirror", "softmax", "gumbel", "straight_through", "reinmax", "sinkhorn"]
Visible = Annotated[str, AfterValidator(_check_visible)]
Name = Annotated[
    Visible, Field(min_length=1, max_length=200, json_schema_extra={"pattern": f"^[^{HIDDEN}]+$"})
]
LabelValue = Annotated[Visible, Field(max_length=200, json_schema_extra={"pattern": f"^[^{HIDDEN}]*$"})]
Weight = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Temperature = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
LearningRate = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]
CategoryCount = Annotated[int, Field(ge=1, le=MAX_CATEGORIES)]


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


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


CodebookSize = Annotated[int, Field(ge=2, le=4096)] | Auto
LatentDim = Annotated[int, Field(ge=1, le=512)] | Auto


class LevelSettings(_Section):
    """Sizes of one level in every category; 'auto' is what the model says."""

    codebook_size: CodebookSize = "auto"
    latent_dim: LatentDim = "auto"


class SeriesSettings(_Section):
    """How series are learnt from."""

    crop: bool = Field(
        False,
        description="Train on how each training row's series begin, too: two prefixes of random length.",
    )


class ModelSettings(_Section):
    """Shape and losses of the VQ-VAE."""

    categories: CategoryCount | Auto | dict[Name, CategoryCount] = Field(
        "auto", description="Total number of categories, 'auto', or a number for each family."
    )
    levels: (
        Annotated[int, Field(ge=1, le=8)] | Annotated[list[LevelSettings], Field(min_length=1, max_length=8)]
    ) = Field(
        3,
        description="Tokens per category, coarse to fine: each refines the ones before. Their number, or the "
        "sizes of each.",
    )
    codebook_size: CodebookSize = Field(
        "auto",
        description="Codes per codebook; 'auto' follows the category's number of features, with half as many "
        "in the first level and twice as many in the last.",
    )
    latent_dim: LatentDim = Field(
        "auto",
        description="Width of what a level sees of its category's latent; 'auto' is the level's compression "
        "ratio times the category's features.",
    )
    compression_ratios: (
        Annotated[list[Annotated[float, Field(gt=0, le=16)]], Field(min_length=1, max_length=8)] | None
    ) = Field(None, description="One ratio per level for latent_dim 'auto'; null is 1 for all.")
    embedding_dim: int = Field(64, ge=1, le=4096)
    hidden_dim: int = Field(128, ge=1, le=8192)
    dropout: float = Field(0.0, ge=0, lt=1)
    codebook_update: Literal["ema", "gradient"] = "ema"
    commitment_weight: Weight = 1.0
    decay: float = Field(0.99, ge=0, lt=1, description="Decay of the codebook's moving average.")
    codebook_orthogonality_weight: Weight = 0.0
    informativeness_weight: Weight = 0.0
    topographic_weight: Weight = 0.0
    topographic_samples: int = Field(64, ge=3, le=1024)
    series: SeriesSettings = SeriesSettings()

    @model_validator(mode="after")
    def _ratios_match_levels(self) -> Self:
        levels = self.levels if isinstance(self.levels, int) else len(self.levels)
        if self.compression_ratios is not None and len(self.compression_ratios) != levels:
            raise ValueError(f"compression_ratios needs one ratio per level: {levels}")
        return self


class AssignmentSettings(_Section):
    """How features find their categories."""

    mode: Literal["learnable", "static"] = "learnable"
    per_family: bool = Field(False, description="Keep every category within one family.")
    init: Literal["auto", "dependence", "clustering", "random", "user", "model"] = Field(
        "auto",
        description="Where the assignment starts. 'dependence' groups by statistical dependence of any kind, "
        "'clustering' by correlation (Ward). 'auto' takes dependence where it finds clearly separate "
        "categories, else the grouping that the job's codes can describe best, and is 'clustering' in "
        "static mode.",
    )
    groups: Annotated[dict[Name, list[Name]], Field(min_length=1, max_length=MAX_CATEGORIES)] | None = Field(
        None, description="With init 'user': the features of each category."
    )
    model: Name | None = Field(None, description="With init 'model': the model whose grouping to start from.")
    take: Literal["groups", "weights"] = Field(
        "groups",
        description="With init 'model': what to start from. 'weights' goes on from the model's weights, "
        "codebooks and cleaning, in its grouping, which stays.",
    )
    together: list[Annotated[list[Name], Field(min_length=1)]] = Field(
        [], description="Sets of features, as names or globs such as `a_*`, that stay in one category."
    )
    estimator: Estimator = Field(
        "auto",
        description="'mirror' first searches for the assignment by mirror descent on held-out error, then "
        "follows the model's gradient as 'softmax' does; the others only follow that gradient: 'gumbel' "
        "through a noisy assignment, 'straight_through' and 'reinmax' through a drawn one-hot one, "
        "'sinkhorn' through a soft one that is pulled towards equal shares of the features. "
        "'auto' is 'mirror' where `init` asks for one start, and 'softmax' with init 'auto' or where a "
        "temperature, a schedule or assignment_lr is given.",
    )
    temperature_start: Temperature | None = Field(None, description="Null: the recipe's own.")
    temperature_end: Temperature | None = Field(None, description="Null: the recipe's own.")
    temperature_schedule: Literal["linear", "exponential", "cosine", "constant", "adaptive"] | None = Field(
        None,
        description="While the model trains. 'adaptive' asks for the search, whose temperature follows the "
        "assignment's entropy, and is 'exponential' after it.",
    )
    temperature_update: Literal["epoch", "step"] = "epoch"
    orthogonality_weight: Weight | None = Field(
        None, description="Null: 0.1 while the model trains, 0 in the search."
    )
    balance_weight: Weight = 0.0
    family_constraint_weight: Weight = 0.0
    assignment_lr: LearningRate | None = Field(None, description="Null: the recipe's own.")
    freeze_after_epochs: Annotated[int, Field(ge=0)] | Auto | None = Field(
        "auto", description="Epochs after which the assignment is hard; null: only at the end."
    )
    stages: Literal["together", "model_first", "in_turn"] = Field(
        "together",
        description="What learns while the assignment is soft. 'model_first': in the first fifth of it "
        "only the model; 'in_turn': the model in one epoch, the assignment in the next.",
    )
    freeze_when_settled: bool = Field(
        False,
        description="Make the assignment hard ahead of time once it is nearly so and no feature has changed "
        "its category for some epochs.",
    )
    prune_empty: bool = Field(
        False, description="Leave categories that end without features out of the model, with their codes."
    )
    surplus_categories: int = Field(
        0,
        ge=0,
        le=MAX_CATEGORIES,
        description="Start with so many categories more than `categories`; while the assignment is soft, the "
        "two that are best described together become one, again and again. Implies prune_empty.",
    )

    @model_validator(mode="after")
    def _schedule_fits_the_estimator(self) -> Self:
        if self.temperature_schedule == "adaptive" and self.estimator not in {"auto", "mirror"}:
            raise ValueError("temperature_schedule 'adaptive' belongs to estimator 'mirror'")
        return self

    @model_validator(mode="after")
    def _surplus_is_grouped(self) -> Self:
        if self.surplus_categories and (self.per_family or self.init in {"user", "model"}):
            raise ValueError(
                "surplus_categories needs a start that groups the features of all families itself"
            )
        return self

    @model_validator(mode="after")
    def _start_is_complete(self) -> Self:
        if (self.init == "user") != (self.groups is not None):
            raise ValueError("groups belongs to init 'user', and init 'user' needs groups")
        if (self.init == "model") != (self.model is not None):
            raise ValueError("model belongs to init 'model', and init 'model' needs model")
        if self.take == "weights" and self.init != "model":
            raise ValueError("take 'weights' belongs to init 'model'")
        return self


class HeldOutDatasets(_Section):
    """Datasets whose rows validate or test, instead of rows of the job's own."""

    validation: Name | None = Field(None, description="Null: `validation_fraction` of the job's own rows.")
    test: Name | None = Field(None, description="Null: `test_fraction` of the job's own rows.")

    @model_validator(mode="after")
    def _names_a_dataset(self) -> Self:
        if self.validation is None and self.test is None:
            raise ValueError("needs a dataset for validation, for test, or for both")
        return self


class TrainingSettings(_Section):
    """Length, rates and reproducibility of a run."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] | Auto = Field(
        "auto", description="'auto' takes about 600 steps, within 10 to 100 epochs."
    )
    batch_size: Annotated[int, Field(ge=2, le=65_536)] | Auto = "auto"
    learning_rate: LearningRate = 0.003
    gradient_clip_norm: Annotated[float, Field(gt=0, le=1e6)] | None = 1.0
    validation_fraction: float = Field(0.1, ge=0, le=0.45)
    test_fraction: float = Field(0.1, ge=0, le=0.45)
    seed: int = Field(0, ge=0, le=2**53 - 1)
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d{1,2})?)$")] = "auto"
    checkpoint_every_epochs: int = Field(1, ge=1, le=100_000)
    dead_code_interval_epochs: int = Field(10, ge=1, le=100_000)
    max_seconds: Annotated[float, Field(gt=0, le=1e8)] | None = None
    early_stopping: bool | Auto = Field(
        "auto",
        description="End when the validation error falls no more. 'auto': only where `epochs` is 'auto'.",
    )
    split_by: Name | None = Field(
        None, description="A key of the dataset: rows with the same value of it stay in the same part."
    )
    split_by_order_of: Name | None = Field(
        None,
        description="A key of the dataset: the rows with its last values test, those before them validate.",
    )
    split: HeldOutDatasets | None = Field(
        None, description="Other datasets, with the features that the job learns from, that validate or test."
    )

    sample_weight: Name | None = Field(
        None,
        description="A key of the dataset, or a numeric feature that is excluded from `features`: how much "
        "each row counts, 0 or more.",
    )

    @model_validator(mode="after")
    def _is_split_one_way(self) -> Self:
        given = [self.split_by, self.split_by_order_of, self.split]
        if sum(way is not None for way in given) > 1:
            raise ValueError("split_by, split_by_order_of and split exclude each other")
        return self


class CleaningSettings(_Section):
    """What is done to features before they are learnt from; fitted on the training rows."""

    enabled: bool = True
    variance_threshold: float = Field(1e-8, ge=0, le=1e6, description="At or below: a constant feature.")
    correlation_threshold: float = Field(0.99, gt=0, le=1, description="Above: a duplicate feature.")
    missing: Literal["median", "mean", "zero", "indicator"] = Field(
        "median",
        description="What a missing value is filled with. 'indicator': the median, and whether a value is "
        "missing is learnt as well.",
    )
    outliers: Literal["mad", "none"] = "mad"
    outlier_threshold: float = Field(5.0, gt=0, le=1e6, description="In robust standard deviations.")


class ReportSettings(_Section):
    """What the model's report is to tell beside what training itself measures."""

    baselines: bool = Field(
        True,
        description="Once the model is published, compare its categories with those of methods that need no "
        "learning, on a sample of the rows, while no job waits.",
    )


class FeatureSettings(_Section):
    """Which features of the dataset to learn from."""

    include: Annotated[list[Name], Field(min_length=1)] | None = Field(
        None, description="Names or globs such as `pixel_*`; null: all."
    )
    exclude: list[Name] = Field([], description="Names or globs; they win over `include`.")


class JobConfig(_Section):
    """The configuration of one training run, without its dataset."""

    model: ModelSettings = ModelSettings()
    assignment: AssignmentSettings = AssignmentSettings()
    training: TrainingSettings = TrainingSettings()
    cleaning: CleaningSettings = CleaningSettings()
    report: ReportSettings = ReportSettings()
    features: FeatureSettings = FeatureSettings()


class JobRequest(JobConfig):
    """The body of `POST /v1/jobs`."""

    dataset: Annotated[Name, Field(description="Id of an uploaded dataset.")]
    name: Name | None = None
    labels: Annotated[dict[Name, LabelValue], Field(max_length=MAX_LABELS)] = {}

    @property
    def config(self) -> JobConfig:
        """The part that the training run needs."""
        return JobConfig(
            model=self.model,
            assignment=self.assignment,
            training=self.training,
            cleaning=self.cleaning,
            report=self.report,
            features=self.features,
        )


class EncodingJobRequest(_Section):
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
