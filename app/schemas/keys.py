"""Bodies of the routes that manage keys."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field, JsonValue

from app.schemas.common import Body
from worker.contract.job_config import Name
from worker.store import KeyRecord, NewKey, Scope

KEY_EXAMPLE: dict[str, JsonValue] = {
    "id": "key_5d0c1f7a9b3e4c6d8e2f1a0b",
    "name": "training",
    "scope": "write",
    "created_at": "2026-01-01T12:00:00Z",
    "rotated_at": None,
}


class KeyRequest(Body):
    """A key that is wanted."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "training", "scope": "write"}})

    scope: Scope = Field(description="read, write (and read) or admin (and both).")
    name: Name | None = Field(None, description="For people: whose it is.")


class Key(Body):
    """A key, without its secret."""

    model_config = ConfigDict(json_schema_extra={"example": KEY_EXAMPLE})

    id: str
    name: str | None
    scope: Scope
    created_at: datetime
    rotated_at: datetime | None = Field(description="When its secret was last replaced.")


class KeyWithSecret(Key):
    """A key with its secret, which is not shown again."""

    model_config = ConfigDict(json_schema_extra={"example": {**KEY_EXAMPLE, "secret": "catvq_..."}})

    secret: str = Field(description="Sent as `Authorization: Bearer`.")


def to_key(record: KeyRecord) -> dict[str, Any]:
    """Return a key as clients see it."""
    return asdict(record)


def to_key_with_secret(new: NewKey) -> dict[str, Any]:
    """Return a new key as its maker sees it, once."""
    return {**to_key(new.record), "secret": new.secret}
