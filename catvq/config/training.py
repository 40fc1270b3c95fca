"""Settings of the run: its length, its rows, its rates, and what is measured beside it."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from catvq.config.values import Auto, LearningRate, Settings
from catvq.errors import ConfigError
from catvq.names import Name

HeldOutPart = Literal["validation", "test"]


@dataclass(frozen=True, kw_only=True)
class HeldOutDatasets(Settings):
    """Datasets whose rows validate or test, instead of rows of the job's own."""

    validation: Name | None = None
    """Null: `validation_fraction` of the job's own rows."""

    test: Name | None = None
    """Null: `test_fraction` of the job's own rows."""

    def __post_init__(self) -> None:
        if self.validation is None and self.test is None:
            raise ConfigError("needs a dataset for validation, for test, or for both")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """Length, rates and reproducibility of a run."""

    epochs: Annotated[int, Ge(1), Le(100_000)] | Auto = "auto"
    """'auto' takes about 600 steps, within 10 to 100 epochs."""

    batch_size: Annotated[int, Ge(2), Le(65_536)] | Auto = "auto"
    learning_rate: LearningRate = 0.003
    gradient_clip_norm: Annotated[float, Gt(0), Le(1e6)] | None = 1.0
    validation_fraction: Annotated[float, Ge(0), Le(0.45)] = 0.1
    test_fraction: Annotated[float, Ge(0), Le(0.45)] = 0.1
    seed: Annotated[int, Ge(0), Le(2**53 - 1)] = 0
    device: str = field(default="auto", metadata={"pattern": r"^(auto|cpu|cuda(:\d{1,2})?)$"})
    devices: Annotated[int, Ge(1), Le(64)] | Literal["all"] = 1
    """GPUs, or processes on a CPU, that each compute a part of every step. 'all': the GPUs of the job's
    machine; one on a CPU."""

    checkpoint_every_epochs: Annotated[int, Ge(1), Le(100_000)] = 1
    dead_code_interval_epochs: Annotated[int, Ge(1), Le(100_000)] = 10
    max_seconds: Annotated[float, Gt(0), Le(1e8)] | None = None

    early_stopping: bool | Auto = "auto"
    """End when the validation error falls no more. 'auto': only where `epochs` is 'auto' or a patience is
    given."""

    early_stopping_patience: Annotated[int, Ge(1), Le(100_000)] | None = None
    """End after so many epochs without a smaller validation error, counted once the assignment is hard, or
    from the start where it is so only at the end. Null: a fifth of the epochs, once the learning rate
    falls."""

    early_stopping_min_delta: Annotated[float, Ge(0), Le(1e6)] = 0.0
    """By how much the validation error needs to fall to count as smaller."""

    split_by: Name | None = None
    """A key of the dataset: rows with the same value of it stay in the same part."""

    split_by_order_of: Name | None = None
    """A key of the dataset: the rows with its last values test, those before them validate."""

    split: HeldOutDatasets | None = None
    """Other datasets, with the features that the job learns from, that validate or test."""

    sample_weight: Name | None = None
    """A key of the dataset, or a numeric feature that is excluded from `features`: how much each row counts,
    0 or more."""

    def __post_init__(self) -> None:
        if self.devices != 1 and ":" in self.device:
            raise ConfigError(f"devices are the first ones: device {self.device!r} is a single one")
        given = [self.split_by, self.split_by_order_of, self.split]
        if sum(way is not None for way in given) > 1:
            raise ConfigError("split_by, split_by_order_of and split exclude each other")

    @property
    def held_out_datasets(self) -> dict[HeldOutPart, str]:
        """The datasets that validate or test in place of rows of the job's own, by the part that they are."""
        if self.split is None:
            return {}
        parts: dict[HeldOutPart, str | None] = {"validation": self.split.validation, "test": self.split.test}
        return {part: dataset for part, dataset in parts.items() if dataset is not None}

    @property
    def stops_early(self) -> bool:
        """Whether a run ends when the validation error falls no more."""
        if self.early_stopping == "auto":
            return self.epochs == "auto" or self.early_stopping_patience is not None
        return self.early_stopping

    @property
    def split_key(self) -> str | None:
        """The key that decides on which side of the split a row is."""
        return self.split_by if self.split_by_order_of is None else self.split_by_order_of


@dataclass(frozen=True, kw_only=True)
class ReportSettings(Settings):
    """What the model's report is to tell beside what training itself measures."""

    baselines: bool = True
    """Once the model is published, compare its categories with those of methods that need no learning, on a
    sample of the rows, while no job waits."""
