"""API keys: finds the key of a request and compares its scope with what the matched route needs."""

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic

from starlette.concurrency import run_in_threadpool

from app.problems import ApiError
from worker.store import KeyRecord, KeyRing, Scope

FRESH_S = 1.0  # how long a new, rotated or revoked key may go unnoticed
REALM = 'Bearer realm="catvq"'


class NoKeyError(ApiError):
    """There is no key with the request, or none that the service knows."""

    status = 401
    default_code = "no_key"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        error = "" if code is None else f', error="{code}"'
        super().__init__(detail, code=code, headers={"WWW-Authenticate": f"{REALM}{error}"})


class ScopeError(ApiError):
    """The key is not good for this."""

    status = 403
    default_code = "insufficient_scope"

    def __init__(self, detail: str, needed: Scope) -> None:
        challenge = f'{REALM}, error="insufficient_scope", scope="{needed}"'
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class StaleKeysError(Exception):
    """The copy of the keys is too old to be asked."""


class KeyChecker:
    """Finds the key of a request, in a copy of all keys that is never older than a second.

    Args:
        read: Reads all keys.
    """

    def __init__(self, read: Callable[[], KeyRing]) -> None:
        self._read = read
        self._ring = KeyRing({})
        self._read_at = -FRESH_S
        self._lock = asyncio.Lock()

    async def check(self, headers: Mapping[str, str], needed: Scope) -> KeyRecord:
        """Return the key that a request carries, reading all keys anew where the copy is too old.

        Raises:
            NoKeyError: It carries none, or an unknown one.
            ScopeError: The key is known, but not good for this.
        """
        async with self._lock:
            if not self._is_fresh:
                asked_at = monotonic()
                self._ring = await run_in_threadpool(self._read)
                self._read_at = asked_at
            ring = self._ring
        return _find(ring, headers, needed)

    def check_at_once(self, headers: Mapping[str, str], needed: Scope) -> KeyRecord:
        """Return what `check` does, or raise `StaleKeysError` where that would take time."""
        if not self._is_fresh:
            raise StaleKeysError
        return _find(self._ring, headers, needed)

    @property
    def _is_fresh(self) -> bool:
        return monotonic() - self._read_at < FRESH_S


def _find(ring: KeyRing, headers: Mapping[str, str], needed: Scope) -> KeyRecord:
    kind, _, secret = headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise NoKeyError("this needs a key: send `Authorization: Bearer KEY`")
    key = ring.find(secret.strip(" "))
    if key is None:
        raise NoKeyError("this key is not known, or no longer", code="invalid_token")
    if not key.scope.includes(needed):
        raise ScopeError(f"this needs a key of the scope {needed}; this one is for {key.scope}", needed)
    return key
