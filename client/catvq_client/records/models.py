"""The service's responses about models and aliases as frozen, typed records."""

from datetime import datetime
from importlib import import_module
from typing import Any

from pydantic import Field

from catvq_client.records.base import Record
from catvq_client.records.datasets import CellReading
from catvq_client.records.html import fields_table


class Category(Record):
    """A frozen category."""

    index: int
    name: str
    features: tuple[str, ...]


class GroupedFeature(Record):
    """A feature and the category that it was frozen into."""

    name: str
    family: str
    category: int
    confidence: float
    runner_up: int | None = None


class Grouping(Record):
    """The frozen category of every feature."""

    model: str
    digest: str
    categories: tuple[Category, ...]
    features: tuple[GroupedFeature, ...]

    def _repr_html_(self) -> str:
        return fields_table(
            f"Grouping of {self.model}", {category.name: category.features for category in self.categories}
        )

    def to_pandas(self) -> Any:
        """Return a frame with a row for each feature: name, family, category, confidence, runner_up.

        Categories are called by their names. Needs pandas.
        """
        name_of = {category.index: category.name for category in self.categories}
        rows = [
            {
                **feature.document(),
                "category": name_of[feature.category],
                "runner_up": None if feature.runner_up is None else name_of[feature.runner_up],
            }
            for feature in self.features
        ]
        return import_module("pandas").DataFrame(rows, columns=list(GroupedFeature.model_fields))


class KnownFamily(Record):
    """A family of series or grids that a model knows, and what it reconstructs of each channel."""

    family: str
    kind: str
    channels: tuple[str, ...]
    descriptors: tuple[str, ...]
    shape: tuple[int, int] | None = None


class Model(Record):
    """A frozen model, the immutable result of a job; sizes are nested by category and level."""

    id: str
    digest: str
    job: str
    dataset: str
    created_at: datetime
    features: tuple[str, ...]
    values: tuple[tuple[str, ...] | None, ...]
    origins: tuple[str | None, ...]
    reading: CellReading = CellReading()
    kinds: tuple[KnownFamily, ...] = ()
    categories: tuple[str, ...]
    levels: int
    codebook_size: tuple[tuple[int, ...], ...]
    metrics: dict[str, Any]

    @property
    def is_plain(self) -> bool:
        """Whether all features are numbers, in whose rows nothing but NaN is missing."""
        return not (any(self.values) or any(self.origins) or self.reading.na_values)

    @property
    def tokens(self) -> tuple[str, ...]:
        """Names of the codes of a row."""
        return tuple(f"{category}.{level}" for category in self.categories for level in range(self.levels))


class CodebookLevel(Record):
    """One codebook; level 0 is the coarsest."""

    level: int
    codebook_size: int
    latent_dim: int
    codes: tuple[tuple[float, ...], ...]
    usage: float
    perplexity: float


class CodebookCategory(Record):
    """The codebooks of one category."""

    index: int
    name: str
    levels: tuple[CodebookLevel, ...]


class Codebook(Record):
    """All codebooks of a model, with their usage on the training rows."""

    model: str
    categories: tuple[CodebookCategory, ...]


class Encodings(Record):
    """Codes of rows, with the reconstruction error and status of each, and the keys that were asked for."""

    model: str
    codes: tuple[tuple[int, ...], ...]
    reconstruction_error: tuple[float | None, ...]
    distance_percentile: tuple[float | None, ...] = ()
    status: tuple[str, ...]
    keys: dict[str, tuple[str | None, ...]] = Field(default_factory=dict)
    tokens: tuple[str, ...] = ()

    def to_pandas(self) -> Any:
        """Return a frame with a row for each row: keys, codes, reconstruction error, distance and status.

        Needs pandas.
        """
        codes = zip(self.tokens, zip(*self.codes, strict=True), strict=True)
        doubts = ("reconstruction_error", "distance_percentile", "status")
        columns = {**self.keys, **dict(codes), **{name: getattr(self, name) for name in doubts}}
        return import_module("pandas").DataFrame({name: list(cells) for name, cells in columns.items()})


class Alias(Record):
    """A name for a model that can be moved to another model."""

    name: str
    model: str
    version: int | None = None


class CategoryPair(Record):
    """A category of one model and the category of another that is matched with it, by name."""

    from_: str = Field(alias="from")
    to: str
    shared: int


class MovedFeature(Record):
    """A feature that does not follow the match; its category in either model, by name."""

    name: str
    from_: str = Field(alias="from")
    to: str


class OnlyIn(Record):
    """Features that only one of two models has."""

    from_: tuple[str, ...] = Field(alias="from")
    to: tuple[str, ...]


class ModelDiff(Record):
    """The groupings of two models, compared; `agreement` is the adjusted Rand index of what both group."""

    from_: str = Field(alias="from")
    to: str
    agreement: float | None
    pairs: tuple[CategoryPair, ...]
    moved: tuple[MovedFeature, ...]
    only_in: OnlyIn
