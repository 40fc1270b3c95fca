"""The configuration of one training run: all sections together."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from catvq.config.assignment import AssignmentSettings
from catvq.config.features import CleaningSettings, FeatureSettings
from catvq.config.model import LevelSettings, ModelSettings, SeriesSettings
from catvq.config.training import HeldOutDatasets, ReportSettings, TrainingSettings
from catvq.config.values import Settings
from catvq.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything one training run is configured by."""

    model: ModelSettings = field(default_factory=ModelSettings)
    assignment: AssignmentSettings = field(default_factory=AssignmentSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    cleaning: CleaningSettings = field(default_factory=CleaningSettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)

    @property
    def keeps_families(self) -> bool:
        """Whether no category may span two families; a number for each family implies it."""
        return self.assignment.per_family or isinstance(self.model.categories, Mapping)

    def are_apart(self, families: Collection[str]) -> bool:
        """Whether features of these families may not all share a category."""
        isolated = families if self.keeps_families else self.assignment.isolated_families
        return len(set(families)) > 1 and not set(families).isdisjoint(isolated)

    @classmethod
    def from_dict(cls, sections: Mapping[str, Mapping[str, Any]]) -> "RunConfig":
        """Build from nested plain values.

        Raises:
            ConfigError: A section or field is unknown, or two fields contradict each other.
        """
        unknown = sorted(_unknown(cls, sections, ""))
        if unknown:
            raise ConfigError(f"unknown settings: {', '.join(unknown)}")
        return cls(**{name: _build(name, values) for name, values in sections.items()})

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Nested plain values, the inverse of `from_dict`."""
        return asdict(self)


_KINDS: Mapping[str, type[Settings]] = {
    "model": ModelSettings,
    "levels": LevelSettings,
    "series": SeriesSettings,
    "assignment": AssignmentSettings,
    "training": TrainingSettings,
    "split": HeldOutDatasets,
    "cleaning": CleaningSettings,
    "report": ReportSettings,
    "features": FeatureSettings,
}


def _unknown(kind: Any, values: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield the path of each value that is no field."""
    known = {each.name for each in fields(kind)}
    for name, value in values.items():
        if name not in known:
            yield path + name
        for part in value if isinstance(value, list | tuple) else [value]:
            if name in known & _KINDS.keys() and isinstance(part, Mapping):
                yield from _unknown(_KINDS[name], part, f"{path}{name}.")


def _build(name: str, value: Any) -> Any:
    """Settings in place of mappings, where the field `name` holds such, and lists in place of tuples.

    So a configuration is equal to what JSON makes of it.
    """
    if name in _KINDS and isinstance(value, Mapping):
        return _KINDS[name](**{key: _build(key, item) for key, item in value.items()})
    if isinstance(value, Mapping):
        return {key: _build("", item) for key, item in value.items()}
    return [_build(name, item) for item in value] if isinstance(value, list | tuple) else value
