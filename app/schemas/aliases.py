"""Bodies of the alias routes."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict

from app.schemas.common import Body, example
from app.schemas.models import MODEL_ID
from catvq.names import Name
from worker.store import AliasRecord


class AliasRequest(Body):
    """The model that an alias should refer to."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, json_schema_extra={"example": {"model": MODEL_ID}}
    )

    model: Name


class Alias(Body):
    """A name for a model that can be moved to another model."""

    model_config = example(
        {
            "name": "production",
            "model": MODEL_ID,
            "version": 1,
            "updated_at": "2026-01-01T12:10:00Z",
        }
    )

    name: str
    model: str
    version: int
    updated_at: datetime


def to_alias(record: AliasRecord) -> dict[str, Any]:
    """Return the body of an alias."""
    return {
        "name": record.name,
        "model": record.model_id,
        "version": record.version,
        "updated_at": record.updated_at,
    }
