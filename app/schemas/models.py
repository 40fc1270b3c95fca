"""Bodies of the model routes."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from app.schemas.common import Body, example
from app.schemas.datasets import Reading, reading_document
from worker.store import ModelRecord

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

    model_config = example(
        {
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

    model_config = example(
        {
            "model": MODEL_ID,
            "digest": "sha256:5b1c...",
            "categories": [{"index": 0, "name": "category_0", "features": ["p0", "p1"]}],
            "features": [
                {"name": "p0", "family": "pixels", "category": 0, "confidence": 0.97, "runner_up": 1}
            ],
        }
    )

    model: str
    digest: str
    categories: list[GroupedCategory]
    features: list[GroupedFeature]


class FrozenAssignment(Body):
    """Assignment of features to categories: soft as at the freeze, or hard (0 and 1)."""

    model_config = example(
        {
            "model": MODEL_ID,
            "features": ["p0", "p1"],
            "categories": ["category_0", "category_1"],
            "matrix": [[0.97, 0.03], [0.1, 0.9]],
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

    model_config = example(
        {
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
    )

    model: str
    categories: list[CodebookCategory]


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
