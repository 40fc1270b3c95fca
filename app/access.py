"""What a request needs before it is looked at: a key of the scope that its route asks for."""

import asyncio
import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from time import monotonic

from starlette.concurrency import run_in_threadpool
from starlette.types import Scope as Connection

from app.errors import ApiError
from worker.store import KeyRecord, KeyRing, Scope

FRESH_S = 1.0  # how long a new, rotated or revoked key may go unnoticed
REALM = 'Bearer realm="catvq"'

_NEEDS_NO_KEY = {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}
_NEEDS_ADMIN = re.compile(r"/v1/keys(/.*)?")
# Sends rows, stores nothing.
_COMPUTES_ONLY = re.compile(
    r"/v1/models/[^/]+/(encodings|decodings)|/v2/models/[^/]+(/versions/[^/]+)?/infer"
)
_READING_METHODS = {"GET", "HEAD", "OPTIONS"}


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


class ForeignSiteError(ApiError):
    """A web page of somebody else's makes a browser on this machine talk to a service without keys."""

    status = 403
    default_code = "foreign_site"


@lru_cache  # of every request, and nearly always the same few
def needed_scope(method: str, path: str) -> Scope | None:
    """Return what a route asks for; None where it is open to everybody.

    A route that is not named here is read with a read key and changed with a write key, so that a new one
    cannot be left open by mistake.

    Args:
        path: Of a request, or of a route with its parameters in braces.
    """
    if path in _NEEDS_NO_KEY:
        return None
    if _NEEDS_ADMIN.fullmatch(path):
        return Scope.ADMIN
    if method in _READING_METHODS or _COMPUTES_ONLY.fullmatch(path):
        return Scope.READ
    return Scope.WRITE


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
    key = ring.find(secret.strip())
    if key is None:
        raise NoKeyError("this key is not known, or no longer", code="invalid_token")
    if not key.scope.includes(needed):
        raise ScopeError(f"this needs a key of the scope {needed}; this one is for {key.scope}", needed)
    return key


@lru_cache  # looked at in every request, and nearly always the same
def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def came_from_here(connection: Connection) -> bool:
    """Whether a connection came in on a loopback address, a Unix socket or no network at all."""
    return _is_here((connection.get("server") or ("", None))[0])


@lru_cache
def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True
