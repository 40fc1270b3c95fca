"""Stands before every route: who comes in is known, or needs not be, and does not come too often."""

from functools import lru_cache
from math import ceil
from time import time
from urllib.parse import urlsplit

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
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


class Gate:
    """Answers requests that may not come in, before a byte of their body is read.

    On loopback, and where the network is said to be trusted, everybody may come in: only the management
    of keys always needs one, so that nobody makes himself a key for later.

    Args:
        app: What answers the others. They find their key, or None, in `request.state.key`.
    """

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._settings = settings
        self._rate = RateLimitItemPerMinute(settings.max_requests_per_minute)
        self._counts = FixedWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            scope["state"]["key"] = await self._admit(scope, Headers(scope=scope))
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

    async def _admit(self, scope: Connection, headers: Headers) -> KeyRecord | None:
        needed = needed_scope(scope["method"], _path_of(scope))
        if needed is None:
            return None
        is_open = not self._settings.demands_keys and (
            self._settings.trusted_network or came_from_here(scope)
        )
        if is_open:
            _refuse_foreign_pages(scope, headers, checks_host=not self._settings.trusted_network)
            if needed is not Scope.ADMIN:
                return None
        checker: KeyChecker = scope["app"].state.services.keys
        key = await checker.check(headers, needed)
        if not is_open:
            await self._count(key)
        return key

    async def _count(self, key: KeyRecord) -> None:
        """Raise `TooManyError` when a key comes too often."""
        if not await self._counts.hit(self._rate, key.id):
            window = await self._counts.get_window_stats(self._rate, key.id)
            raise TooManyError(
                f"more than {self._rate.amount} requests of one key in a minute",
                code="too_many_requests",
                retry_after_s=max(1, ceil(window.reset_time - time())),
            )


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


def _refuse_foreign_pages(scope: Connection, headers: Headers, *, checks_host: bool) -> None:
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
