"""API keys. A secret is shown once, when it is created; only its digest is stored."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from worker.store.database.engine import Database
from worker.store.database.errors import NotFound
from worker.store.database.ids import new_id
from worker.store.database.pagination import Page, list_rows
from worker.store.database.row_records import to_record
from worker.store.database.schema import DatabaseNow, api_keys

SECRET_BYTES = 32  # too random to guess, so a fast digest protects it as well as a slow one
_PLAUSIBLE = re.compile(r"catvq_([0-9a-f]{24})_[A-Za-z0-9_-]{43}", re.ASCII)
_NO_DIGEST = "0" * 64  # compared with when the key is unknown, so that this takes as long as a wrong secret


class Scope(StrEnum):
    """What a key may do; each scope includes the ones before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: "Scope") -> bool:
        """Whether a key of this scope may do what the other allows."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True)
class KeyRecord:
    """A stored key, without its secret."""

    id: str
    name: str | None
    scope: Scope
    created_at: datetime
    rotated_at: datetime | None


@dataclass(frozen=True)
class NewKey:
    """A new key with its secret, which is not stored."""

    record: KeyRecord
    secret: str = field(repr=False)


@dataclass(frozen=True)
class KeyRing:
    """A snapshot of all keys.

    Args:
        entries: Record and SHA-256 of each key, by id.
    """

    entries: Mapping[str, tuple[KeyRecord, str]] = field(repr=False)

    def find(self, secret: str) -> KeyRecord | None:
        """The key with this secret, if any; runs in constant time, so that the time reveals nothing."""
        match = _PLAUSIBLE.fullmatch(secret)
        record, digest = self.entries.get(f"key_{match[1]}" if match else "", (None, _NO_DIGEST))
        return record if hmac.compare_digest(digest, _digest(secret)) else None


class Keys:
    """The keys of a service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, scope: Scope, name: str | None = None) -> NewKey:
        """Create a key."""
        key_id = new_id("key")
        secret = _new_secret(key_id)
        values = {"id": key_id, "name": name, "scope": scope, "digest": _digest(secret)}
        with self._database.write() as connection:
            connection.execute(sa.insert(api_keys).values(**values, created_at=DatabaseNow()))
            return NewKey(_read(connection, key_id), secret)

    def rotate(self, key_id: str) -> NewKey:
        """Give a key a new secret; the old one stops working at once.

        Raises:
            NotFound: There is no such key.
        """
        secret = _new_secret(key_id)
        values = {"digest": _digest(secret), "rotated_at": DatabaseNow()}
        with self._database.write() as connection:
            connection.execute(sa.update(api_keys).where(api_keys.c.id == key_id).values(**values))
            return NewKey(_read(connection, key_id), secret)

    def revoke(self, key_id: str) -> None:
        """Delete a key; what it created stays.

        Raises:
            NotFound: There is no such key.
        """

        def forget(connection: sa.Connection) -> None:
            _read(connection, key_id)
            connection.execute(sa.delete(api_keys).where(api_keys.c.id == key_id))

        self._database.write_on_full_disk(forget)

    def list(self, limit: int = 50, cursor: str | None = None) -> Page[KeyRecord]:
        """A page of the keys, newest first."""
        return list_rows(self._database, api_keys, KeyRecord, limit=limit, cursor=cursor)

    def ring(self) -> KeyRing:
        """A snapshot of all keys."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(api_keys)).mappings().all()
        return KeyRing({row["id"]: (to_record(KeyRecord, row), row["digest"]) for row in rows})


def _new_secret(key_id: str) -> str:
    return f"catvq_{key_id.removeprefix('key_')}_{secrets.token_urlsafe(SECRET_BYTES)}"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _read(connection: sa.Connection, key_id: str) -> KeyRecord:
    row = connection.execute(sa.select(api_keys).where(api_keys.c.id == key_id)).mappings().one_or_none()
    if row is None:
        raise NotFound("key", key_id)
    return to_record(KeyRecord, row)
