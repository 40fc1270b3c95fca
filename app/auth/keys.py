"""Finds the API key of a request and checks its scope."""

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic

from starlette.concurrency import run_in_threadpool

from app.problems import ApiError
from worker.store import KeyRecord, KeyRing, Scope

FRESH_S = 1.0  # a new, rotated or revoked key takes effect after at most this time
REALM = 'Bearer realm="catvq"'


class NoKeyError(ApiError, status=401, code="no_key"):
    """The request has no key, or an invalid or revoked one."""

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        error = "" if code is None else f', error="{code}"'
        super().__init__(detail, code=code, headers={"WWW-Authenticate": f"{REALM}{error}"})


class ScopeError(ApiError, status=403, code="insufficient_scope"):
    """The key's scope does not allow this."""

    def __init__(self, detail: str, needed: Scope) -> None:
        challenge = f'{REALM}, error="insufficient_scope", scope="{needed}"'
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class StaleKeysError(Exception):
    """The cached keys are older than `FRESH_S`."""


class KeyChecker:
    """Finds the key of a request in a cached copy of all keys, at most a second old.

    Args:
        read: Reads all keys.
    """

    def __init__(self, read: Callable[[], KeyRing]) -> None:
        self._read = read
        self._ring = KeyRing({})
        self._read_at = -FRESH_S
        self._lock = asyncio.Lock()

    async def check(self, headers: Mapping[str, str], needed: Scope) -> KeyRecord:
        """Return the key that a request carries; read all keys again if the copy is too old.

        Raises:
            NoKeyError: It carries no key, or an invalid or revoked one.
            ScopeError: The key is valid, but its scope is too small.
        """
        async with self._lock:
            if not self._is_fresh:
                asked_at = monotonic()
                self._ring = await run_in_threadpool(self._read)
                self._read_at = asked_at
            ring = self._ring
        return _find(ring, headers, needed)

    def check_at_once(self, headers: Mapping[str, str], needed: Scope) -> KeyRecord:
        """Return the result of `check` without waiting; raise `StaleKeysError` if it must read the keys."""
        if not self._is_fresh:
            raise StaleKeysError
        return _find(self._ring, headers, needed)

    @property
    def _is_fresh(self) -> bool:
        return monotonic() - self._read_at < FRESH_S


def _find(ring: KeyRing, headers: Mapping[str, str], needed: Scope) -> KeyRecord:
    kind, _, secret = headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise NoKeyError("an API key is required: send `Authorization: Bearer KEY`")
    key = ring.find(secret.strip(" "))
    if key is None:
        raise NoKeyError("invalid or revoked API key", code="invalid_token")
    if not key.scope.includes(needed):
        raise ScopeError(f"a key of scope {needed} is required; this one has scope {key.scope}", needed)
    return key
