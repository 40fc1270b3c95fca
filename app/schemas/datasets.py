"""Bodies of the dataset routes."""

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.schemas.common import Body
from worker.store import DatasetRecord


class FamilyInfo(Body):
    """A block of features that belong together by their origin."""

    features: int = Field(description="How many.")
    kind: Literal["tabular"] = "tabular"


class DatasetWarning(Body):
    """Something odd that was accepted, and what is done about it."""

    code: Literal["missing_values", "empty_column", "constant_column", "numeric_header"]
    detail: str
    column: str | None = None
    count: int | None = Field(None, description="Missing values.")


class Dataset(Body):
    """A stored table of numbers."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "ds_2f9c51d1a0b34c7e8d6f5a21",
                "name": "digits",
                "rows": 1797,
                "features": ["p0", "p1", "m0"],
                "families": {
                    "pixels": {"features": 2, "kind": "tabular"},
                    "moments": {"features": 1, "kind": "tabular"},
                },
                "digest": "sha256:0a61...",
                "warnings": [
                    {
                        "code": "missing_values",
                        "detail": "'p1' misses 3 of 1797 values; they are filled in",
                        "column": "p1",
                        "count": 3,
                    }
                ],
                "created_at": "2026-01-01T12:00:00Z",
            }
        }
    )

    id: str
    name: str | None
    rows: int
    features: list[str]
    families: dict[str, FamilyInfo]
    digest: str = Field(description="Over the bytes and settings of the upload.")
    warnings: list[DatasetWarning]
    created_at: datetime


def to_dataset(record: DatasetRecord) -> dict[str, Any]:
    """Return what the API shows of a stored dataset."""
    return {
        "id": record.id,
        "name": record.name,
        "rows": record.rows,
        "features": record.features,
        "families": {
            name: {"features": len(features), "kind": "tabular"} for name, features in record.families.items()
        },
        "digest": record.digest,
        "warnings": record.warnings,
        "created_at": record.created_at,
    }
