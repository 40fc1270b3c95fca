"""Settings of which features are learnt from, and how they are cleaned."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Literal, get_args

from annotated_types import Ge, Gt, Le, Len

from catvq.config.values import EMPTY, Settings
from catvq.errors import ConfigError
from catvq.names import Name

Outliers = Literal["mad", "iqr", "percentile", "none"]
FeatureWeight = Annotated[float, Gt(0), Le(1000)]
Percentile = Annotated[float, Ge(0), Le(100)]
PERCENTILES = [0.5, 99.5]


@dataclass(frozen=True)
class CleaningSettings(Settings):
    """What is done to features before they are learnt from; fitted on the training rows."""

    # When false nothing is dropped or clipped; missing values are still filled and features still normalised.
    enabled: bool = True

    # As a part of min(1, mean^2); of float64 values that float32 could hardly tell apart, only where float64
    # cannot.
    variance_threshold: Annotated[float, Ge(0), Le(1e6)] = 1e-8
    """At or below: a constant feature."""

    # Of |correlation| with an earlier feature; 1 turns the search off.
    correlation_threshold: Annotated[float, Gt(0), Le(1)] = 0.99
    """Above: a duplicate feature."""

    missing: Literal["median", "mean", "zero", "indicator"] = "median"
    """What a missing value is filled with. 'indicator': the median, and whether a value is missing is learnt
    as well."""

    outliers: Outliers = "mad"
    """What values are capped at: 'mad' so many robust standard deviations from the median, 'iqr' so many
    distances between the quartiles beyond them, 'percentile' two percentiles."""

    outlier_threshold: Annotated[float, Gt(0), Le(1e6)] = 5.0
    """Of 'mad' and 'iqr'."""

    outlier_percentiles: Annotated[list[Percentile], Len(2, 2)] = field(
        default_factory=PERCENTILES.copy, metadata={"json_schema_extra": {"default": PERCENTILES}}
    )
    """Of 'percentile': the lowest and the highest value that stays as it is."""

    weights: Mapping[Name, FeatureWeight] = field(
        default_factory=dict, metadata={"json_schema_extra": {"default": {}}}
    )
    """By name or glob: how much a feature's error counts, 1 for the others. Weights that fit one feature are
    multiplied."""

    def weights_of(self, names: Sequence[str]) -> list[float]:
        """How much the error of each feature counts, 1 in the mean."""
        own = [math.prod(w for pattern, w in self.weights.items() if matches(n, [pattern])) for n in names]
        return [weight * len(own) / sum(own) for weight in own]

    def __post_init__(self) -> None:
        if self.missing not in {"median", "mean", "zero", "indicator"}:
            raise ConfigError(f"missing must be median, mean, zero or indicator, got {self.missing!r}")
        if self.outliers not in get_args(Outliers):
            raise ConfigError(f"outliers must be one of {get_args(Outliers)}, got {self.outliers!r}")
        if not 0 <= self.variance_threshold < math.inf:
            raise ConfigError(f"variance_threshold must be 0 or more, got {self.variance_threshold}")
        if not 0 < self.correlation_threshold <= 1:
            raise ConfigError(f"correlation_threshold must be in (0, 1], got {self.correlation_threshold}")
        if not 0 < self.outlier_threshold < math.inf:
            raise ConfigError(f"outlier_threshold must be above 0, got {self.outlier_threshold}")
        if not all(0 < weight < math.inf for weight in self.weights.values()):
            raise ConfigError(f"weights must be above 0, got {dict(self.weights)}")
        low, high = self.outlier_percentiles
        if not 0 <= low < high <= 100:
            raise ConfigError(f"outlier_percentiles must rise within 0 and 100, got {low} and {high}")


@dataclass(frozen=True, kw_only=True)
class FeatureSettings(Settings):
    """Which features of the dataset to learn from."""

    include: Annotated[list[Name], Len(1)] | None = None
    """Names or globs such as `pixel_*`; null: all."""

    exclude: list[Name] = field(default_factory=list, metadata=EMPTY)
    """Names or globs; they win over `include`."""

    def is_wanted(self, name: str) -> bool:
        """Whether to learn from a feature."""
        return (self.include is None or matches(name, self.include)) and not matches(name, self.exclude)


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name is among names and globs."""
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)
