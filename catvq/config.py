"""The settings of one training run as the core sees them: frozen, checked, with every null resolved.

The service's contract repeats the defaults (a test compares them). Null means the recipe's own value,
"auto" means worked out from the data.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from catvq.errors import ConfigError

Auto = Literal["auto"]
Init = Literal["auto", "dependence", "clustering", "random", "user", "model"]
ScheduleKind = Literal["linear", "exponential", "cosine", "constant"]
StageOrder = Literal["together", "model_first", "in_turn"]
HeldOutPart = Literal["validation", "test"]
Estimator = Literal["mirror", "softmax", "gumbel", "straight_through", "reinmax", "sinkhorn"]

# The recipe: what a null stands for.
TEMPERATURE_START = 1.0
TEMPERATURE_END = 0.1
TEMPERATURE_SCHEDULE: ScheduleKind = "exponential"
ASSIGNMENT_LR = 0.02
ORTHOGONALITY_WEIGHT = 0.1
FREEZE_FRACTION = 0.4  # of the epochs: the rest fits the VQ-VAE to the frozen grouping


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Shape and loss weights of the VQ-VAE; the fields are documented in the service's contract."""

    categories: int | Auto | Mapping[str, int] = "auto"
    levels: int | tuple[Mapping[str, int | Auto], ...] = 3
    codebook_size: int | Auto = "auto"
    latent_dim: int | Auto = "auto"
    compression_ratios: tuple[float, ...] | None = None
    embedding_dim: int = 64
    hidden_dim: int = 128
    dropout: float = 0.0
    codebook_update: Literal["ema", "gradient"] = "ema"
    commitment_weight: float = 1.0
    decay: float = 0.99
    codebook_orthogonality_weight: float = 0.0
    informativeness_weight: float = 0.0
    topographic_weight: float = 0.0
    topographic_samples: int = 64
    series: Mapping[Literal["crop"], bool] = field(default_factory=lambda: {"crop": False})

    def ratios(self) -> tuple[float, ...]:
        """Latent width per feature of each level, coarse to fine; 1 when none were given."""
        return (1.0,) * self.num_levels if self.compression_ratios is None else tuple(self.compression_ratios)

    @property
    def num_levels(self) -> int:
        """L."""
        return self.levels if isinstance(self.levels, int) else len(self.levels)

    def sizes_of_levels(self) -> list[tuple[int | Auto, int | Auto]]:
        """Codebook size and latent width of each level, coarse to fine; "auto" in a level is the model's."""
        given: Sequence[Mapping[str, int | Auto]] = (
            ({},) * self.levels if isinstance(self.levels, int) else self.levels
        )
        sizes = [(each.get("codebook_size", "auto"), each.get("latent_dim", "auto")) for each in given]
        return [
            (
                self.codebook_size if size == "auto" else size,
                self.latent_dim if width == "auto" else width,
            )
            for size, width in sizes
        ]


@dataclass(frozen=True)
class AssignmentWeights:
    """Weights of the assignment's own terms; zero leaves a term out."""

    orthogonality: float
    balance: float
    family: float


@dataclass(frozen=True, kw_only=True)
class AssignmentConfig:
    """How features find their categories; the fields are documented in the service's contract."""

    mode: Literal["learnable", "static"] = "learnable"
    per_family: bool = False
    init: Init = "auto"
    groups: Mapping[str, tuple[str, ...]] | None = None
    model: str | None = None
    take: Literal["groups", "weights"] = "groups"
    together: tuple[tuple[str, ...], ...] = ()
    estimator: Estimator | Auto = "auto"
    temperature_start: float | None = None
    temperature_end: float | None = None
    temperature_schedule: ScheduleKind | Literal["adaptive"] | None = None
    temperature_update: Literal["epoch", "step"] = "epoch"
    orthogonality_weight: float | None = None
    balance_weight: float = 0.0
    family_constraint_weight: float = 0.0
    assignment_lr: float | None = None
    freeze_after_epochs: int | Auto | None = "auto"
    stages: StageOrder = "together"
    freeze_when_settled: bool = False
    prune_empty: bool = False
    surplus_categories: int = 0

    def __post_init__(self) -> None:
        if self.temperature_schedule == "adaptive" and self.resolved_estimator() != "mirror":
            raise ConfigError("temperature_schedule 'adaptive' belongs to estimator 'mirror'")

    def resolved_estimator(self) -> Estimator:
        """The estimator to use.

        "auto" searches first, by "mirror", where one start was asked for, so that it may be a poor one. It
        is "softmax" with the default start, and where a setting of the scheduled form was given.
        """
        if self.estimator != "auto":
            return self.estimator
        if self.temperature_schedule == "adaptive":
            return "mirror"
        given = self.temperature_schedule, self.temperature_start, self.temperature_end, self.assignment_lr
        is_free = given == (None,) * len(given)
        return "mirror" if is_free and self.init != "auto" else "softmax"

    def resolved_init(self) -> Init:
        """The start to use: in static mode "auto" is the usual one, clustering by correlation."""
        return "clustering" if self.init == "auto" and self.mode == "static" else self.init

    @property
    def is_given(self) -> bool:
        """Whether the grouping is hard from the start: in static mode, and where weights are taken over."""
        return self.mode == "static" or self.take == "weights"

    def sets_of(self, features: Sequence[str]) -> list[list[str]]:
        """The features of each set that stays together, in their order."""
        return [[name for name in features if matches(name, patterns)] for patterns in self.together]

    @property
    def leaves_out_empty(self) -> bool:
        """Whether categories without features are left out of the frozen model."""
        return self.prune_empty or self.surplus_categories > 0

    def search_weights(self) -> AssignmentWeights:
        """Weights of the assignment's own terms in the search, which needs none of its own accord."""
        return AssignmentWeights(
            self.orthogonality_weight or 0.0, self.balance_weight, self.family_constraint_weight
        )

    def own_weights(self) -> AssignmentWeights:
        """Weights of the assignment's own terms while the model trains."""
        orthogonality = self.orthogonality_weight
        return AssignmentWeights(
            ORTHOGONALITY_WEIGHT if orthogonality is None else orthogonality,
            self.balance_weight,
            self.family_constraint_weight,
        )

    def freeze_epoch(self, epochs: int) -> int:
        """The number of completed epochs after which the assignment is hard (0 in static mode)."""
        if self.is_given:
            return 0
        if self.freeze_after_epochs == "auto":
            return max(1, round(FREEZE_FRACTION * epochs))
        return epochs if self.freeze_after_epochs is None else min(self.freeze_after_epochs, epochs)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Length, rates and reproducibility of a run; the fields are documented in the service's contract."""

    epochs: int | Auto = "auto"
    batch_size: int | Auto = "auto"
    learning_rate: float = 0.003
    gradient_clip_norm: float | None = 1.0
    validation_fraction: float = 0.1
    test_fraction: float = 0.1
    seed: int = 0
    device: str = "auto"
    checkpoint_every_epochs: int = 1
    dead_code_interval_epochs: int = 10
    max_seconds: float | None = None
    early_stopping: bool | Auto = "auto"
    split_by: str | None = None
    split_by_order_of: str | None = None
    split: Mapping[HeldOutPart, str | None] | None = None
    sample_weight: str | None = None

    def __post_init__(self) -> None:
        given = [self.split_by, self.split_by_order_of, self.split]
        if sum(way is not None for way in given) > 1:
            raise ConfigError("split_by, split_by_order_of and split exclude each other")

    @property
    def held_out_datasets(self) -> dict[HeldOutPart, str]:
        """The datasets that validate or test in place of rows of the job's own, by the part that they are."""
        return {part: dataset for part, dataset in (self.split or {}).items() if dataset is not None}

    @property
    def stops_early(self) -> bool:
        """Whether a run ends when the validation error falls no more."""
        return self.epochs == "auto" if self.early_stopping == "auto" else self.early_stopping

    @property
    def split_key(self) -> str | None:
        """The key that decides on which side of the split a row is."""
        return self.split_by if self.split_by_order_of is None else self.split_by_order_of


@dataclass(frozen=True)
class CleaningConfig:
    """How features are cleaned.

    Args:
        enabled: When false nothing is dropped or clipped; missing values are still filled and
            features still normalised.
        variance_threshold: A feature is constant when its variance is at or below this part of
            min(1, mean^2); float64 values that float32 could hardly tell apart, only where float64 cannot.
        correlation_threshold: A feature is a duplicate when its |correlation| with an earlier one is
            above this; 1 turns the search off.
        missing: What stands for a missing value, taken from the training rows; with "indicator" the median,
            and whether a value is missing is learnt as well, as a part of its feature.
        outliers: "mad" clips to the median plus or minus `outlier_threshold` robust deviations.
        outlier_threshold: In robust standard deviations, above 0.
    """

    enabled: bool = True
    variance_threshold: float = 1e-8
    correlation_threshold: float = 0.99
    missing: Literal["median", "mean", "zero", "indicator"] = "median"
    outliers: Literal["mad", "none"] = "mad"
    outlier_threshold: float = 5.0

    def __post_init__(self) -> None:
        if self.missing not in {"median", "mean", "zero", "indicator"}:
            raise ConfigError(f"missing must be median, mean, zero or indicator, got {self.missing!r}")
        if self.outliers not in {"mad", "none"}:
            raise ConfigError(f"outliers must be mad or none, got {self.outliers!r}")
        if not 0 <= self.variance_threshold < math.inf:
            raise ConfigError(f"variance_threshold must be 0 or more, got {self.variance_threshold}")
        if not 0 < self.correlation_threshold <= 1:
            raise ConfigError(f"correlation_threshold must be in (0, 1], got {self.correlation_threshold}")
        if not 0 < self.outlier_threshold < math.inf:
            raise ConfigError(f"outlier_threshold must be above 0, got {self.outlier_threshold}")


@dataclass(frozen=True, kw_only=True)
class FeaturesConfig:
    """Which features to learn from; the fields are documented in the service's contract."""

    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()

    def is_wanted(self, name: str) -> bool:
        """Whether to learn from a feature."""
        return (self.include is None or matches(name, self.include)) and not matches(name, self.exclude)


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a name is among names and globs."""
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """What is measured beside the run; the fields are documented in the service's contract."""

    baselines: bool = True


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything one training run is configured by."""

    model: ModelConfig = field(default_factory=ModelConfig)
    assignment: AssignmentConfig = field(default_factory=AssignmentConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)

    @property
    def keeps_families(self) -> bool:
        """Whether no category may span two families; a number for each family implies it."""
        return self.assignment.per_family or isinstance(self.model.categories, Mapping)

    @classmethod
    def from_dict(cls, sections: Mapping[str, Mapping[str, Any]]) -> "RunConfig":
        """Build from nested plain values.

        Raises:
            ConfigError: A section or field is unknown.
        """
        types = {
            "model": ModelConfig,
            "assignment": AssignmentConfig,
            "training": TrainingConfig,
            "cleaning": CleaningConfig,
            "report": ReportConfig,
            "features": FeaturesConfig,
        }
        unknown = [name for name in sections if name not in types]
        for name, values in sections.items():
            known = {f.name for f in dataclasses.fields(types[name])} if name in types else set()
            unknown += [f"{name}.{key}" for key in values if name in types and key not in known]
        if unknown:
            raise ConfigError(f"unknown settings: {', '.join(sorted(unknown))}")
        return cls(**{name: types[name](**_tupled(values)) for name, values in sections.items()})

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Nested plain values, the inverse of `from_dict`."""
        return {f.name: dataclasses.asdict(getattr(self, f.name)) for f in dataclasses.fields(self)}


def _tupled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Lists to tuples, all the way down, so that equal settings compare equal."""

    def convert(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: convert(item) for key, item in value.items()}
        return tuple(convert(item) for item in value) if isinstance(value, list) else value

    return {key: convert(value) for key, value in values.items()}
