"""Routes with strict JSON, a limit on the body's size, and no unknown query parameters."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.auth.gate import SAFE_METHODS
from app.formats import Format, sent_format
from app.http.transfer import body_length
from app.problems import TooLargeError, UnsupportedMediaTypeError
from app.tables.readers.json_reader import load_json
from worker.store import Scope

LABELS_PARAMETER = "labels"  # how OpenAPI calls the filters together
GZIP = "gzip"
IDENTITY = "identity"  # the content encoding of a body that is sent as it is
# Commas and colons: enough for groups of all features that a dataset may have.
MAX_DOCUMENT_VALUES = 50_000
LABEL_PREFIX = "label."  # `label.team=x` filters a list of jobs; users choose the names


class BoundedRequest(Request):
    """A request whose body may hold at most `max_bytes`.

    A larger `Content-Length` is refused before the body is read. JSON is parsed strictly and in memory, so
    its limit is lower than that of other bodies.
    """

    max_bytes: int
    may_be_packed = False  # with gzip

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it arrives.

        Raises:
            UnsupportedMediaTypeError: It is compressed in a way that is not read here.
            TooLargeError: It is, or says that it will be, larger than `max_bytes`.
        """
        encoding = self.headers.get("content-encoding", IDENTITY)
        known = {"", IDENTITY, GZIP} if self.may_be_packed else {"", IDENTITY}
        if encoding.strip().lower() not in known:
            raise UnsupportedMediaTypeError(
                f"a body in the content encoding {encoding} is not read here; send it as it is",
                headers={"Accept-Encoding": ", ".join(sorted(known - {""}))},
            )
        declared = self.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self.max_bytes:
            raise self._too_large()
        received = 0
        async for chunk in super().stream():
            received += len(chunk)
            if received > self.max_bytes:
                raise self._too_large()
            yield chunk

    async def json(self) -> Any:
        """Return the parsed body; 5.0 becomes the integer 5, since JSON has one type of number.

        Raises:
            TooLargeError: It holds more than `MAX_DOCUMENT_VALUES` values; validation would take seconds.
            NotParseableError: It is not strict JSON.
        """
        body = await self.body()
        if body.count(b",") + body.count(b":") > MAX_DOCUMENT_VALUES:
            raise TooLargeError("the document holds too many values", code="too_many_values")
        return _with_whole_numbers(load_json(body))

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"the body is larger than {self.max_bytes} bytes", code="body_too_large")


class Route(APIRoute):
    """A route that checks the API key, bounds the body and refuses unknown query parameters.

    GET and HEAD need a read key, other methods a write key.
    """

    @property
    def needed_scope(self) -> Scope | None:
        """The scope that this route needs; None for an open route."""
        return Scope.READ if set(self.methods or ()) <= SAFE_METHODS else Scope.WRITE

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler: it gets a `BoundedRequest`, once key and query have been checked."""
        handler = super().get_route_handler()
        known = set(_query_names(self.dependant))
        documented = (self.openapi_extra or {}).get("parameters", [])
        takes_labels = any(parameter["name"] == LABELS_PARAMETER for parameter in documented)
        takes_json = self.body_field is not None
        needed_scope = self.needed_scope

        async def handle(request: Request) -> Response:
            admission = request.app.state.services.admission
            request.state.key = await admission.admit(request.scope, request.headers, needed_scope)
            bounded = BoundedRequest(request.scope, request.receive)
            bounded.max_bytes = request.app.state.services.settings.max_document_bytes
            if takes_json and (
                "content-type" in request.headers or body_length(request.scope["headers"]) != 0
            ):
                sent_format(request.headers.get("content-type"), (Format.JSON,))
            unknown = [
                name
                for name in request.query_params
                if name not in known and not (takes_labels and name.startswith(LABEL_PREFIX))
            ]
            if unknown:
                raise RequestValidationError(
                    [
                        {"type": "extra_forbidden", "loc": ("query", name), "msg": "unknown", "known": known}
                        for name in unknown
                    ]
                )
            return await handler(bounded)

        return handle


class ReadingRoute(Route):
    """A route that stores nothing, whatever its method: a read key is enough."""

    needed_scope = Scope.READ


class AdminRoute(Route):
    """A route that needs an admin key, on every service."""

    needed_scope = Scope.ADMIN


class OpenRoute(Route):
    """A route that needs no key."""

    needed_scope = None


def _with_whole_numbers(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_with_whole_numbers(item) for item in value]
        case dict():
            return {key: _with_whole_numbers(item) for key, item in value.items()}
    return value


def _query_names(dependant: Dependant) -> Iterator[str]:
    for parameter in dependant.query_params:
        fields = getattr(parameter.field_info.annotation, "model_fields", None)
        yield from [parameter.alias] if fields is None else fields
