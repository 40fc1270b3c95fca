"""Stands before every route: who comes in is known, or needs not be, and does not come too often."""

from collections.abc import Mapping
from functools import lru_cache
from math import ceil
from time import time
from urllib.parse import urlsplit

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from app.access import ForeignSiteError, KeyChecker, came_from_here, is_loopback, needed_scope
from app.errors import ApiError, TooManyError, problem_response
from app.handlers import from_store
from app.settings import ApiSettings
from worker.store import KeyRecord, Scope, Store, StoreError

SAFE_METHODS = {"GET", "HEAD"}


class NoKeysError(RuntimeError):
    """The service would be open to other machines; the text says what to do."""


class Admission:
    """Decides who may come in.

    On loopback, and where the network is said to be trusted, everybody may: only the management of keys
    always needs one, so that nobody makes himself a key for later.

    Args:
        settings: Say where keys are demanded, and how often one may come.
        keys: Finds them.
    """

    def __init__(self, settings: ApiSettings, keys: KeyChecker) -> None:
        self._settings = settings
        self._keys = keys
        self._rate = RateLimitItemPerMinute(settings.max_requests_per_minute)
        self._counts = FixedWindowRateLimiter(MemoryStorage())

    async def admit(self, connection: Connection, headers: Mapping[str, str]) -> KeyRecord | None:
        """Return the key that a request comes in by, None where it needs none.

        Args:
            connection: The request's scope.
            headers: Its headers, by names in lower case.

        Raises:
            ApiError: It may not come in.
        """
        needed = self._needed_key(connection, headers)
        if needed is None:
            return None
        return self._count(connection, await self._keys.check(headers, needed))

    def admit_at_once(self, connection: Connection, headers: Mapping[str, str]) -> KeyRecord | None:
        """Return what `admit` does, or raise `StaleKeysError` where that would take time."""
        needed = self._needed_key(connection, headers)
        if needed is None:
            return None
        return self._count(connection, self._keys.check_at_once(headers, needed))

    def _needed_key(self, connection: Connection, headers: Mapping[str, str]) -> Scope | None:
        needed = needed_scope(connection["method"], _path_of(connection))
        if needed is None or not self._is_open(connection):
            return needed
        _refuse_foreign_pages(connection, headers, checks_host=not self._settings.trusted_network)
        return needed if needed is Scope.ADMIN else None

    def _is_open(self, connection: Connection) -> bool:
        return not self._settings.demands_keys and (
            self._settings.trusted_network or came_from_here(connection)
        )

    def _count(self, connection: Connection, key: KeyRecord) -> KeyRecord:
        """Return the key unless it comes too often; nobody is counted where everybody may come in."""
        if not self._is_open(connection) and not self._counts.hit(self._rate, key.id):
            window = self._counts.get_window_stats(self._rate, key.id)
            raise TooManyError(
                f"more than {self._rate.amount} requests of one key in a minute",
                code="too_many_requests",
                retry_after_s=max(1, ceil(window.reset_time - time())),
            )
        return key


class Gate:
    """Answers requests that may not come in, before a byte of their body is read.

    Args:
        app: What answers the others. They find their key, or None, in `request.state.key`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or "key" in scope["state"]:  # it came in by the short way
            await self._app(scope, receive, send)
            return
        admission: Admission = scope["app"].state.services.admission
        try:
            scope["state"]["key"] = await admission.admit(scope, Headers(scope=scope))
        except ApiError as error:
            refusal = error
        except StoreError as error:
            refusal = from_store(error)
        else:
            await self._app(scope, receive, send)
            return
        # Without this the rest of a body would be read, and thrown away.
        refusal.headers = {**(refusal.headers or {}), "Connection": "close"}
        await problem_response(Request(scope), refusal)(scope, receive, send)


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


def _refuse_foreign_pages(scope: Connection, headers: Mapping[str, str], *, checks_host: bool) -> None:
    """Keep out web pages that make a browser here send requests, also under a name that leads here."""
    if headers.get("sec-fetch-site") == "cross-site" and scope["method"] not in SAFE_METHODS:
        raise ForeignSiteError("a page of another site sent this; a service without keys does not obey it")
    arrived_at, host = (scope.get("server") or ("", None))[0], headers.get("host")
    if checks_host and host and is_loopback(arrived_at) and not _names_this_machine(host):
        raise ForeignSiteError(
            f"{host!r} is not a name of this machine's loopback. Behind a proxy set CATVQ_REQUIRE_KEYS=true, "
            "or CATVQ_TRUSTED_NETWORK=true if everybody who can reach the proxy may use the service",
            code="foreign_host",
        )


@lru_cache  # of every request, and nearly always the same
def _names_this_machine(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return is_loopback(name) or name.endswith(".localhost")


def _path_of(scope: Connection) -> str:
    """Return the path as the routes know it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
