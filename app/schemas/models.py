"""Bodies of the model and alias routes."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.schemas.common import Body
from app.schemas.datasets import Reading, reading_document
from catvq.names import Name
from worker.store import AliasRecord, ModelRecord

MODEL_ID = "model_1b9e4c7d2a5f6e8b0c3d4a5b"


class KnownFamily(Body):
    """A family of series or grids that a model knows."""

    family: str
    kind: Literal["series", "grid"]
    channels: list[str] = Field(description="Names without the family's.")
    descriptors: list[str] = Field(description="What is reconstructed of each channel.")
    shape: list[int] | None = Field(description="Height and width of grids; null of series.")


class Model(Body):
    """A frozen model; it never changes."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": MODEL_ID,
                "digest": "sha256:5b1c...",
                "job": "job_8c0f2a6b1d3e4f5a6b7c8d9e",
                "dataset": "ds_2f9c51d1a0b34c7e8d6f5a21",
                "created_at": "2026-01-01T12:05:00Z",
                "rows_dtype": "float32",
                "features": ["p0", "p1", "m0"],
                "values": [None, None, None],
                "origins": [None, None, None],
                "reading": {"na_values": [], "date_order": "year"},
                "kinds": [],
                "categories": ["category_0", "category_1"],
                "levels": 1,
                "codebook_size": [[8], [4]],
                "latent_dim": [[2], [1]],
                "metrics": {"reconstruction_error": {"test": 0.21}, "bits_per_row": 5.0},
                "links": {"self": f"/v1/models/{MODEL_ID}"},
            }
        }
    )

    id: str
    digest: str
    job: str
    dataset: str
    created_at: datetime
    rows_dtype: Literal["float32", "float64"] = Field(
        description="Of the artifact's `rows`, and of decodings."
    )
    features: list[str]
    values: list[list[str] | None] = Field(
        description="Of each feature: its values, whose indices arrays hold; null where it is numeric."
    )
    origins: list[str | None] = Field(
        description="Of each feature that is a time: from when its seconds count, in ISO 8601; else null."
    )
    reading: Reading
    kinds: list[KnownFamily] = Field(description="The families of series and grids.")
    categories: list[str]
    levels: int
    codebook_size: list[list[int]] = Field(description="Nested by category and level.")
    latent_dim: list[list[int]] = Field(description="Nested by category and level.")
    metrics: dict[str, Any]
    links: dict[str, str]


class GroupedCategory(Body):
    """A category and its features."""

    index: int
    name: str
    features: list[str]


class GroupedFeature(Body):
    """A feature and the category it was frozen into."""

    name: str
    family: str
    category: int = Field(description="Index of the feature's category.")
    confidence: float = Field(description="Soft assignment to that category.")
    runner_up: int | None = Field(description="Index of the second most likely category.")


class Grouping(Body):
    """The frozen category of every feature."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": MODEL_ID,
                "digest": "sha256:5b1c...",
                "categories": [{"index": 0, "name": "category_0", "features": ["p0", "p1"]}],
                "features": [
                    {"name": "p0", "family": "pixels", "category": 0, "confidence": 0.97, "runner_up": 1}
                ],
            }
        }
    )

    model: str
    digest: str
    categories: list[GroupedCategory]
    features: list[GroupedFeature]


class FrozenAssignment(Body):
    """Assignment of features to categories: soft as at the freeze, or hard (0 and 1)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": MODEL_ID,
                "features": ["p0", "p1"],
                "categories": ["category_0", "category_1"],
                "matrix": [[0.97, 0.03], [0.1, 0.9]],
            }
        }
    )

    model: str
    features: list[str]
    categories: list[str]
    matrix: list[list[float]]


class CodebookLevel(Body):
    """One codebook."""

    level: int = Field(description="0 is the coarsest.")
    codebook_size: int
    latent_dim: int
    codes: list[list[float]]
    usage: float = Field(description="Fraction of the codes that the training rows use.")
    perplexity: float


class CodebookCategory(Body):
    """The codebooks of one category."""

    index: int
    name: str
    levels: list[CodebookLevel]


class Codebook(Body):
    """All codebooks of a model."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": MODEL_ID,
                "categories": [
                    {
                        "index": 0,
                        "name": "category_0",
                        "levels": [
                            {
                                "level": 0,
                                "codebook_size": 2,
                                "latent_dim": 1,
                                "codes": [[-0.7], [0.9]],
                                "usage": 1.0,
                                "perplexity": 1.98,
                            }
                        ],
                    }
                ],
            }
        }
    )

    model: str
    categories: list[CodebookCategory]


Nested = Annotated[
    list[Any],
    Field(description="A list with an item for each row: nested lists of numbers; null is missing."),
]


class EncodingRequest(Body):
    """Rows to encode, in the dataset's units."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"rows": [[0.5, None, 2.0]], "columns": ["p0", "p1", "m0"]}}
    )

    rows: list[list[float | None]] | None = Field(None, description="May be left out beside `families`.")
    families: dict[str, Nested] | None = Field(
        None,
        description="Series and grids by family: for each row [steps][channels], [steps] of one channel, or "
        "[channels][height][width].",
    )
    columns: list[str] | None = Field(
        None,
        description="Column names, in any order; columns that are not features of the model are ignored. "
        "Without names, a row holds the model's features in the dataset's order.",
    )


class Encodings(Body):
    """Codes of rows."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": MODEL_ID,
                "codes": [[3, 1], [-1, -1]],
                "reconstruction_error": [0.18, None],
                "distance_percentile": [41.5, None],
                "status": ["imputed", "invalid"],
            }
        }
    )

    model: str
    codes: list[list[int]] = Field(description="Category 0 level 0, category 0 level 1, ...")
    reconstruction_error: list[float | None] = Field(
        description="Mean squared error of the features that are there, in units of variance; null for none."
    )
    distance_percentile: list[float | None] = Field(
        description="Percentage of the training rows that were nearer to their codes."
    )
    status: list[Literal["ok", "imputed", "invalid"]]
    keys: dict[str, list[str | None]] | None = Field(
        None, description="The columns that were asked for as keys; left out without."
    )


class DecodingRequest(Body):
    """Codes to decode."""

    model_config = ConfigDict(json_schema_extra={"example": {"codes": [[3, 1]]}})

    codes: Annotated[list[list[int]], Field(min_length=1)]


class DecodedFamily(Body):
    """Descriptors of a family's channels."""

    channels: list[str]
    descriptors: list[str]
    values: list[list[list[float]]] = Field(description="[rows, channels, descriptors], in raw units.")


class Decodings(Body):
    """Decoded rows, in the dataset's units."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"model": MODEL_ID, "features": ["p0", "p1", "m0"], "rows": [[0.4, 1.1, 2.2]]}
        }
    )

    model: str
    features: list[str]
    rows: list[list[float | str | None]] = Field(description="Categories and times are text.")
    families: dict[str, DecodedFamily] | None = Field(
        None, description="Descriptors of series and grids, where the model knows some."
    )


class AliasRequest(Body):
    """The model that an alias should refer to."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, json_schema_extra={"example": {"model": MODEL_ID}}
    )

    model: Name


class Alias(Body):
    """A name for a model that can be moved to another model."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "production",
                "model": MODEL_ID,
                "version": 1,
                "updated_at": "2026-01-01T12:10:00Z",
            }
        }
    )

    name: str
    model: str
    version: int
    updated_at: datetime


def to_model(record: ModelRecord) -> dict[str, Any]:
    """Return the body of a model."""
    own = f"/v1/models/{record.id}"
    parts = (
        "grouping",
        "assignment",
        "codebook",
        "report",
        "artifact",
        "encodings",
        "encoding-jobs",
        "decodings",
    )
    shown = (
        "rows_dtype",
        "features",
        "values",
        "origins",
        "kinds",
        "categories",
        "levels",
        "codebook_size",
        "latent_dim",
        "metrics",
    )
    return {
        "id": record.id,
        "digest": record.digest,
        "job": record.job_id,
        "dataset": record.dataset_id,
        "created_at": record.created_at,
        **{name: record.document[name] for name in shown},
        "reading": reading_document(record.document["reading"]),
        "links": {"self": own} | {part: f"{own}/{part}" for part in parts},
    }


def to_alias(record: AliasRecord) -> dict[str, Any]:
    """Return the body of an alias."""
    return {
        "name": record.name,
        "model": record.model_id,
        "version": record.version,
        "updated_at": record.updated_at,
    }
