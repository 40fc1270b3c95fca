"""What every request passes: it gets an id, is counted and timed, and no failure leaves it unanswered."""

import itertools
import logging
import re
import secrets
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from time import perf_counter

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ApiError, problem_response
from app.telemetry import Telemetry
from worker.logs import about

_RAW_REQUEST_ID = b"x-request-id"
_PROCESS = secrets.token_hex(6)
_NUMBERS = itertools.count()  # to draw each at random takes longer than most of what a request passes
_USABLE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # unless the route knows better
}
_RAW_SECURITY_HEADERS = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
NO_PAGE = "default-src 'none'; frame-ancestors 'none'"
PAGES = {
    "/docs": "default-src 'none'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    "style-src 'unsafe-inline' https://cdn.jsdelivr.net; img-src data: https://fastapi.tiangolo.com; "
    "connect-src 'self'; frame-ancestors 'none'"
}

_log = logging.getLogger(__name__)


class RequestMiddleware:
    """Gives each request an id (the client's own when it is usable), and answers what nobody caught.

    Args:
        app: What answers the request.
        telemetry: Counts and times it.
    """

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(scope["headers"])
        scope.setdefault("state", {}).update(request_id=request_id, is_head=scope["method"] == "HEAD")
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # answered in the same way; the server leaves the body out
        started = perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                complete_headers(MutableHeaders(scope=message), request_id, scope["path"])
            await send(message)

        with about(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception:
                _log.exception("request %s failed: %s %s", request_id, scope["method"], scope["path"])
                if status:
                    raise
                error = ApiError("the service failed; the log has the reason under this request's id")
                await problem_response(Request(scope), error)(scope, receive, send_with_id)
            finally:
                route = getattr(scope.get("route"), "path", None)
                self._telemetry.count_request(scope["method"], route, status, perf_counter() - started)


def new_request_id() -> str:
    """Name a request that brings no usable name of its own."""
    return f"req_{_PROCESS}{next(_NUMBERS):012x}"


def complete_headers(headers: MutableHeaders, request_id: str, path: str | None) -> None:
    """Add what every answer carries; path is None where none could be read."""
    headers.raw.append((_RAW_REQUEST_ID, request_id.encode()))
    headers.raw.extend(common_headers({name for name, _ in headers.raw}, path))


def common_headers(given: AbstractSet[bytes], path: str | None) -> list[tuple[bytes, bytes]]:
    """Return what answers to a path carry besides their id and what is given already."""
    policy = NO_PAGE if path is None else PAGES.get(path, NO_PAGE)
    security = (header for header in _RAW_SECURITY_HEADERS if header[0] not in given)
    return [(b"content-security-policy", policy.encode()), *security]


def request_id_of(fields: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the id that a request brings in its headers, or a new one."""
    for name, value in fields:
        if name == _RAW_REQUEST_ID and _USABLE_ID.fullmatch(sent := value.decode("latin-1")):
            return str(sent)
    return new_request_id()
