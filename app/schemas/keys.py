"""Bodies of the API key routes."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import Field, JsonValue

from app.schemas.common import Body, example
from catvq.names import Name
from worker.store import KeyRecord, NewKey, Scope

KEY_EXAMPLE: dict[str, JsonValue] = {
    "id": "key_5d0c1f7a9b3e4c6d8e2f1a0b",
    "name": "training",
    "scope": "write",
    "created_at": "2026-01-01T12:00:00Z",
    "rotated_at": None,
}


class KeyRequest(Body):
    """A key to create."""

    model_config = example({"name": "training", "scope": "write"})

    scope: Scope = Field(description="`read`; `write`, which includes read; or `admin`, which includes both.")
    name: Name | None = Field(None, description="A label for people, such as the key's owner.")


class Key(Body):
    """A key, without its secret."""

    model_config = example(KEY_EXAMPLE)

    id: str
    name: str | None
    scope: Scope
    created_at: datetime
    rotated_at: datetime | None = Field(description="Time of the last rotation.")


class KeyWithSecret(Key):
    """A key with its secret, which is not shown again."""

    model_config = example({**KEY_EXAMPLE, "secret": "catvq_..."})

    secret: str = Field(description="Send it as `Authorization: Bearer SECRET`.")


def to_key(record: KeyRecord) -> dict[str, Any]:
    """Return the body of a key, without its secret."""
    return asdict(record)


def to_key_with_secret(new: NewKey) -> dict[str, Any]:
    """Return the body of a new key, with its secret."""
    return {**to_key(new.record), "secret": new.secret}
