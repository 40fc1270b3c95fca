"""Admission: who may use the service, from which pages and under which host names."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.types import Scope as Connection

from app.auth.keys import KeyChecker
from app.loopback import is_loopback
from app.problems import ApiError
from app.settings import ApiSettings
from worker.store import KeyRecord, Scope, Store

SAFE_METHODS = {"GET", "HEAD"}
OWN_SITES = {"same-origin", "none"}  # of Sec-Fetch-Site; "none" is what a user typed
MAX_HOST_LENGTH = 255  # of a name in the DNS


class NoKeysError(RuntimeError):
    """The service would be open to other machines; the text says what to do."""


class ForeignSiteError(ApiError):
    """A web page of somebody else's makes a browser talk to a service without keys."""

    status = 403
    default_code = "foreign_site"


class Admission:
    """Decides who may come in.

    On loopback, and where the network is said to be trusted, everybody may: only the management of keys
    always needs one, so that nobody makes himself a key for later.

    Args:
        settings: Say where keys are demanded, and which names the service has.
        keys: Finds them.
    """

    def __init__(self, settings: ApiSettings, keys: KeyChecker) -> None:
        self._settings = settings
        self._keys = keys
        self._allowed_hosts = {name.lower() for name in settings.allowed_hosts}
        self._is_open = not settings.demands_keys

    async def admit(
        self, connection: Connection, headers: Mapping[str, str], needed: Scope | None
    ) -> KeyRecord | None:
        """Return the key that a request comes in by, None where it needs none.

        Args:
            connection: The request's scope.
            headers: Its headers, by names in lower case.
            needed: What the matched route asks for; None where it is open to everybody.

        Raises:
            ApiError: It may not come in.
        """
        if self._needs_no_key(connection, headers, needed):
            return None
        return await self._keys.check(headers, needed or Scope.READ)

    def admit_at_once(
        self, connection: Connection, headers: Mapping[str, str], needed: Scope
    ) -> KeyRecord | None:
        """Return what `admit` does, or raise `StaleKeysError` where that would take time."""
        if self._needs_no_key(connection, headers, needed):
            return None
        return self._keys.check_at_once(headers, needed)

    def _needs_no_key(self, connection: Connection, headers: Mapping[str, str], needed: Scope | None) -> bool:
        if needed is None:
            return True
        if not self._is_open or not (self._settings.trusted_network or _came_from_here(connection)):
            return False
        self._refuse_foreign_pages(connection, headers)
        return needed is not Scope.ADMIN

    def _refuse_foreign_pages(self, connection: Connection, headers: Mapping[str, str]) -> None:
        """Keep out web pages that make a browser send requests, also under a name made to lead here."""
        host = headers.get("host", "")
        if not self._is_own_name(host):
            raise ForeignSiteError(
                f"{host[:MAX_HOST_LENGTH]!r} is no name of this service: add it to CATVQ_ALLOWED_HOSTS, or "
                "set CATVQ_REQUIRE_KEYS=true behind a proxy",
                code="foreign_host",
            )
        if connection["method"] in SAFE_METHODS:
            return
        origin = headers.get("origin")
        is_own_origin = origin is None or origin.partition("://")[2].lower() == host.lower()
        if not is_own_origin or headers.get("sec-fetch-site", "none") not in OWN_SITES:
            raise ForeignSiteError("a page of another site sent this; a service without keys refuses it")

    def _is_own_name(self, host: str) -> bool:
        if host in {"127.0.0.1", "localhost"}:  # most requests
            return True
        try:
            name = urlsplit(f"//{host}").hostname or "" if len(host) <= MAX_HOST_LENGTH else ""
        except ValueError:
            return False
        if name in self._allowed_hosts or name.endswith(".localhost") or is_loopback(name):
            return True
        return self._settings.trusted_network and _is_address(name)  # which no name can be made to be


def check_may_listen(settings: ApiSettings, store: Store) -> None:
    """Make sure that the service can tell who comes in, where strangers can come.

    Raises:
        NoKeysError: It cannot: there are no keys.
    """
    if settings.demands_keys and not store.keys.ring().entries:
        raise NoKeysError(
            f"refusing to listen on {settings.host}: there are no keys, so nobody could be let in. Make one "
            "with `python -m worker.store keys create --scope admin`; or set CATVQ_TRUSTED_NETWORK=true if "
            "everybody who can reach the service may use it"
        )


def _came_from_here(connection: Connection) -> bool:
    """Whether a connection came in on a loopback address, a Unix socket or no network at all."""
    address = (connection.get("server") or ("", None))[0]
    return is_loopback(address) or not _is_address(address)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
