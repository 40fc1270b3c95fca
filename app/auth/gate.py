"""Admission of requests: API keys, host names and cross-site requests are checked here."""

import ipaddress
import re
from collections.abc import Mapping

from starlette.types import Scope as Connection

from app.auth.keys import KeyChecker
from app.loopback import is_loopback
from app.problems import ApiError
from app.settings import ApiSettings
from worker.store import KeyRecord, Scope, Store

SAFE_METHODS = {"GET", "HEAD"}
OWN_SITES = {"same-origin", "none"}  # values of Sec-Fetch-Site; "none" if the user typed the address
MAX_HOST_LENGTH = 255  # of a name in the DNS
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]*)?", re.ASCII | re.IGNORECASE)


class NoKeysError(RuntimeError):
    """The address needs API keys, but none exists; the text says what to do."""


class ForeignSiteError(ApiError, status=403, code="foreign_site"):
    """A browser sent a cross-site request, or one for an unknown host, to a service without keys."""


class Admission:
    """Decides whether a request is allowed.

    On loopback, and on a trusted network, no key is needed. Only the management of keys always needs an
    admin key: otherwise anybody could create a key there and use it later.

    Args:
        settings: Where keys are required, and which host names are allowed.
        keys: Finds the key of a request.
    """

    def __init__(self, settings: ApiSettings, keys: KeyChecker) -> None:
        self._settings = settings
        self._keys = keys
        self._allowed_hosts = {name.lower() for name in settings.allowed_hosts}
        self._is_open = not settings.demands_keys

    async def admit(
        self, connection: Connection, headers: Mapping[str, str], needed: Scope | None
    ) -> KeyRecord | None:
        """Return the key of an allowed request, None if it needs no key.

        Args:
            connection: The request's scope.
            headers: Its headers, by names in lower case.
            needed: The scope that the matched route needs; None for an open route.

        Raises:
            ApiError: The request is not allowed.
        """
        if self._needs_no_key(connection, headers, needed):
            return None
        return await self._keys.check(headers, needed or Scope.READ)

    def admit_at_once(
        self, connection: Connection, headers: Mapping[str, str], needed: Scope
    ) -> KeyRecord | None:
        """Return the result of `admit` without waiting; raise `StaleKeysError` if it must read the keys."""
        if self._needs_no_key(connection, headers, needed):
            return None
        return self._keys.check_at_once(headers, needed)

    def _needs_no_key(self, connection: Connection, headers: Mapping[str, str], needed: Scope | None) -> bool:
        if needed is None:
            return True
        if not self._is_open or not (self._settings.trusted_network or _is_local(connection)):
            return False
        self._refuse_foreign_pages(connection, headers)
        return needed is not Scope.ADMIN

    def _refuse_foreign_pages(self, connection: Connection, headers: Mapping[str, str]) -> None:
        """Refuse cross-site requests of browsers, and host names that are not ours (DNS rebinding)."""
        host = headers.get("host", "")
        if not self._is_own_name(host):
            raise ForeignSiteError(
                f"the host {host[:MAX_HOST_LENGTH]!r} is not allowed: add it to CATVQ_ALLOWED_HOSTS, or "
                "set CATVQ_REQUIRE_KEYS=true behind a proxy",
                code="foreign_host",
            )
        if connection["method"] in SAFE_METHODS:
            return
        origin = headers.get("origin")
        if origin in self._settings.cors_origins:
            return
        is_own_origin = origin is None or origin.partition("://")[2].lower() == host.lower()
        if not is_own_origin or headers.get("sec-fetch-site", "none") not in OWN_SITES:
            raise ForeignSiteError("cross-site requests are refused by a service without keys")

    def _is_own_name(self, host: str) -> bool:
        if host in {"127.0.0.1", "localhost"}:  # most requests
            return True
        match = _HOST.fullmatch(host) if len(host) <= MAX_HOST_LENGTH else None
        if match is None:
            return False
        name = match[1].strip("[]").lower()
        if name in self._allowed_hosts or name.endswith(".localhost") or is_loopback(name):
            return True
        return self._settings.trusted_network and _is_address(name)  # DNS rebinding needs a name


def check_may_listen(settings: ApiSettings, store: Store) -> None:
    """Check that keys exist if the settings require them.

    Raises:
        NoKeysError: Keys are required, but none exists.
    """
    if settings.demands_keys and not store.keys.ring().entries:
        raise NoKeysError(
            f"refusing to listen on {settings.host}: there are no keys, so every request would be refused. "
            "Create one with `python -m worker.store keys create --scope admin`; or set "
            "CATVQ_TRUSTED_NETWORK=true if everybody who can reach the service may use it"
        )


def _is_local(connection: Connection) -> bool:
    """Whether a connection arrived on a loopback address or a Unix socket, not over a network."""
    address = (connection.get("server") or ("", None))[0]
    return is_loopback(address) or not _is_address(address)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
