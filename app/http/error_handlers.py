"""Exception handlers: every error is answered as problem+json."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import compile_path

from app.http.suggestions import fields_at, unknown_field
from app.problems import (
    MAX_PLACES,
    ApiError,
    ConflictError,
    DiskFullError,
    GoneError,
    InvalidError,
    NotFoundError,
    NotParseableError,
    Place,
    PreconditionFailedError,
    TooLargeError,
    TooManyError,
    UnavailableError,
    problem_response,
)
from worker.store import Scope
from worker.store.database import errors as store_errors

JOBS_RETRY_AFTER_S = 30  # jobs take minutes
REFUSALS = {401, 403}
UNKNOWN_FIELD = {"extra_forbidden", "unexpected_keyword_argument"}  # in a model, in a dataclass
READING_METHODS = {"GET", "HEAD", "OPTIONS"}
NO_ROOM = "the service's disk is full; delete datasets, models or jobs to free space"

_log = logging.getLogger(__name__)


class MethodNotAllowedError(ApiError, status=405, code="method_not_allowed"):
    """The path exists, but does not accept this method."""


def install_handlers(app: FastAPI) -> None:
    """Install handlers that answer every error of `app` as problem+json."""
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(store_errors.StoreError, _answer_store_error)
    app.add_exception_handler(ClientDisconnect, _answer_disconnect)
    app.add_exception_handler(OSError, _answer_full_disk)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        if error.status in REFUSALS:  # otherwise the rest of the body would be read and dropped
            error.headers = {**(error.headers or {}), "Connection": "close"}
        return problem_response(request, error)
    try:
        refusal = await _unmatched(request, error)
    except ApiError as no_key:
        refusal = no_key
    except store_errors.StoreError as unavailable:
        refusal = from_store(unavailable)
    return problem_response(request, refusal)


async def _unmatched(request: Request, error: Exception) -> ApiError:
    """Return the error for a request that matches no route.

    Raises:
        ApiError: The request needs a key; without one it does not learn which paths exist.
    """
    admission = request.app.state.services.admission
    needed = Scope.READ if request.method in READING_METHODS else Scope.WRITE
    await admission.admit(request.scope, request.headers, needed)
    if isinstance(error, HTTPException) and error.status_code == MethodNotAllowedError.status:
        allowed = ", ".join(_methods_of(request))
        return MethodNotAllowedError(
            f"{request.method} is not allowed here; use {allowed}", headers={"Allow": allowed}
        )
    if isinstance(error, HTTPException) and error.status_code == NotFoundError.status:
        return NotFoundError(f"no such path: {request.url.path}", code="no_such_route")
    return NotParseableError("the request cannot be read")


async def _answer_validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    field = getattr(request.scope.get("route"), "body_field", None)
    model = None if field is None else field.field_info.annotation
    return problem_response(request, to_invalid(error.errors(), error.body, model))


async def _answer_store_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, store_errors.StoreError):
        raise error
    answer = from_store(error)
    if isinstance(error, store_errors.StoreUnavailable):
        _log.warning("%s (%s)", error, getattr(error.__cause__, "orig", error.__cause__))
    if isinstance(error, store_errors.NotFound):
        retention = request.app.state.services.store.retention
        with suppress(store_errors.StoreUnavailable):
            if await run_in_threadpool(retention.is_expired, error.key):
                answer = GoneError(
                    f"the {error.kind} {error.key!r} was removed when its retention time ended"
                )
    return problem_response(request, answer)


async def _answer_disconnect(request: Request, _: Exception) -> Response:
    return problem_response(
        request, NotParseableError("the client disconnected before its request was complete")
    )


async def _answer_full_disk(request: Request, error: Exception) -> Response:
    if not store_errors.is_disk_full(error):
        raise error
    _log.error("the disk is full: %s", error)
    return problem_response(request, DiskFullError(NO_ROOM))


def from_store(error: store_errors.StoreError) -> ApiError:  # noqa: PLR0911 - one line for each kind
    """Translate an error of the store into an API error."""
    text = str(error)
    match error:
        case store_errors.NotFound():
            return NotFoundError(text, code=error.code)
        case store_errors.PreconditionFailed():
            return PreconditionFailedError(text, code=error.code)
        case store_errors.InvalidCursor() | store_errors.Conflict(code="idempotency_key_reused"):
            field = "cursor" if isinstance(error, store_errors.InvalidCursor) else "Idempotency-Key"
            return InvalidError(text, [Place(detail=text, field=field)], code=error.code)
        case store_errors.Conflict():
            return ConflictError(text, code=error.code)
        case store_errors.TooManyJobs():
            return TooManyError(text, code=error.code, retry_after_s=JOBS_RETRY_AFTER_S)
        case store_errors.QuotaExceeded():
            return TooLargeError(text, code=error.code)
        case store_errors.DiskFull():
            return DiskFullError(NO_ROOM)
        case store_errors.QueueFull() | store_errors.StoreUnavailable():
            return UnavailableError(text, code=error.code)
        case _:
            raise error


@contextmanager
def naming(field: str) -> Iterator[None]:
    """Name the body's field `field` in the error if the block does not find an id.

    Raises:
        NotFoundError: The store raised `NotFound`.
    """
    try:
        yield
    except store_errors.NotFound as error:
        place = Place(detail=str(error), field=field)
        raise NotFoundError(str(error), [place], code=error.code) from None


def to_invalid(errors: Sequence[Any], body: Any, model: Any = None) -> InvalidError:
    """Merge validation errors into one error that names each field once, as the client wrote it.

    Args:
        model: The body's type, where there is one: names of its fields are suggested for unknown ones.
    """
    errors = errors[: 5 * MAX_PLACES]  # several may concern one field
    details: dict[str, list[str]] = {}
    for error in errors:
        field = _field_of(error["loc"], body, is_missing=error["type"] == "missing")
        text = str(error["msg"]).removeprefix("Value error, ")  # pydantic's mark of our own validators
        if error["type"] == "dataclass_type":
            text = "Input should be an object"  # without the name of our class
        if error["type"] in UNKNOWN_FIELD:
            source, *path = error["loc"]
            known = fields_at(model, path[:-1]) if source == "body" else error.get("known", ())
            text = unknown_field(str(path[-1]), known)
        details.setdefault(field, []).append(text)
    places = [
        Place(detail="; or ".join(dict.fromkeys(texts)), field=field) for field, texts in details.items()
    ]
    summary = "; ".join(f"{place.field}: {place.detail}" for place in places[:3])
    is_unknown = all(error["type"] in UNKNOWN_FIELD for error in errors)
    return InvalidError(summary, places, code="unknown_field" if is_unknown else "invalid_field")


def _field_of(location: Sequence[int | str], body: Any, *, is_missing: bool) -> str:
    """Return a field's path, without the names of union members that pydantic inserts."""
    source, *parts = location
    if source != "body":
        return ".".join(str(part) for part in parts)
    path: list[str] = []
    value = body
    for position, part in enumerate(parts, start=1):
        is_key = isinstance(value, dict) and part in value
        is_index = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if is_key or is_index:
            value = value[part]
        elif not (is_missing and position == len(parts)):
            continue
        path.append(str(part))
    return ".".join(path) or "body"


def _methods_of(request: Request) -> list[str]:
    """Return all methods that routes accept at the request's path."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.path and route.methods and compile_path(route.path)[0].match(request.url.path):
            methods |= route.methods
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)
