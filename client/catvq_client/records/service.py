"""Records of the service itself: what it is, its workers and keys."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from catvq_client.records.base import Record

KeyScope = Literal["read", "write", "admin"]


class ServiceInfo(Record):
    """Links, versions, formats, limits and devices of the service."""

    name: str
    scope: str | None = None
    links: dict[str, str]
    versions: dict[str, str]
    formats: dict[str, tuple[str, ...]]
    limits: dict[str, Any]
    devices: tuple[str, ...] = ()


class Worker(Record):
    """A running worker, and the job that it runs."""

    name: str
    since: datetime
    device: str
    job: str | None = None
    last_heard_of: datetime


class Key(Record):
    """An API key; its secret is there only where it was just made."""

    id: str
    name: str | None = None
    scope: KeyScope
    created_at: datetime
    rotated_at: datetime | None = None
    secret: str | None = Field(None, repr=False)
