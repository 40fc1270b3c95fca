"""Outermost ASGI middleware: request ids, metrics, security headers, uncaught errors."""

import itertools
import logging
import re
import secrets
from collections.abc import Iterable
from time import perf_counter
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.connections import ConnectionLimit
from app.http.cross_origin import CrossOrigin
from app.http.heads import HeadChecker
from app.http.transfer import SlowReaderError
from app.problems import ApiError, problem_response
from app.process.metrics import Telemetry
from app.settings import ApiSettings
from worker.contract.json_logs import log_context

REQUEST_ID = b"x-request-id"
_PROCESS = secrets.token_hex(6)
_NUMBERS = itertools.count()  # a random number for each request would be much slower
_USABLE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

SECURITY_HEADERS = {
    "Server": "catvq",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # unless the route sets its own
}
_RAW_SECURITY_HEADERS = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
NO_PAGE = "default-src 'none'; frame-ancestors 'none'"
# Our own scripts, styles and pictures only, and nothing inline. With `require-trusted-types-for` the browser
# refuses text that would be read as HTML.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
# Swagger UI writes HTML from Markdown, which it cleans before.
DOCS_POLICY = PAGE_POLICY.partition("; require-trusted-types-for")[0]
PAGES = {
    "/": PAGE_POLICY,
    "/docs": DOCS_POLICY,
}

_log = logging.getLogger(__name__)


class RequestMiddleware:
    """Gives each request an id (the client's own if it is valid), and answers uncaught errors with 500.

    Args:
        app: The next ASGI application.
        settings: Hold the limits on heads.
        connections: Refuses requests while too many connections are open.
        telemetry: Counts and times requests.
    """

    def __init__(
        self, app: ASGIApp, settings: ApiSettings, connections: ConnectionLimit, telemetry: Telemetry
    ) -> None:
        self._app = app
        self._telemetry = telemetry
        self._heads = HeadChecker(settings)
        self._origins = settings.cors_origins
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(dict(scope["headers"]).get(REQUEST_ID))
        state: dict[str, Any] = {"request_id": request_id, "is_head": scope["method"] == "HEAD"}
        scope["state"] = state
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # answered like GET; the server omits the body
        started = perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    *state.get("rate_limit", ()),
                    (REQUEST_ID, request_id.encode()),
                    *common_headers(message["headers"], scope["path"]),
                ]
            await send(message)

        with log_context(request_id=request_id):
            try:
                self._heads.check(scope)
                self._connections.check()
                await self._app(scope, receive, send_with_id)
            except ApiError as refusal:
                refusal.headers = {**(refusal.headers or {}), "Connection": "close"}
                await self._answer(scope, refusal)(scope, receive, send_with_id)
            except SlowReaderError:
                _log.info("request %s: the client stopped reading its response", request_id)
                self._connections.give_up(scope["client"])
            except Exception:
                _log.exception("request %s failed: %s %s", request_id, scope["method"], scope["path"])
                if status:
                    raise
                error = ApiError("internal error; the service's log has the reason under this request id")
                await self._answer(scope, error)(scope, receive, send_with_id)
            finally:
                route = getattr(scope.get("route"), "path", None)
                self._telemetry.count_request(scope["method"], route, status, perf_counter() - started)

    def _answer(self, scope: Scope, error: ApiError) -> ASGIApp:
        """Render an error that `CrossOrigin` does not see, so that listed origins may read it."""
        answer = problem_response(Request(scope), error)
        if not self._origins or scope["method"] == "OPTIONS":  # of a preflight nobody reads the body
            return answer
        return CrossOrigin(answer, self._origins)


def common_headers(given: Iterable[tuple[bytes, bytes]], path: str = "") -> list[tuple[bytes, bytes]]:
    """Return the security headers of every response to a path, without those that `given` already sets."""
    names = {name for name, _ in given}
    policy = (b"content-security-policy", PAGES.get(path, NO_PAGE).encode())
    return [policy, *(header for header in _RAW_SECURITY_HEADERS if header[0] not in names)]


def request_id_of(sent: bytes | None) -> str:
    """Return the id from a request's header if it is valid, else a new one."""
    if sent is not None and _USABLE_ID.fullmatch(given := sent.decode("latin-1")):
        return given
    return f"req_{_PROCESS}{next(_NUMBERS):012x}"
