"""Errors of the API, rendered as RFC 9457 problem+json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import ClassVar

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from catvq.names import escape_hidden

PROBLEM_MEDIA_TYPE = "application/problem+json"
MAX_PLACES = 20  # enough to correct a file, too few to echo an upload
INFERENCE_PREFIX = "/v2"  # clients of the Open Inference Protocol read the text from `error`


@dataclass(frozen=True, kw_only=True)
class Place:
    """Location of an error in a request; rows of data count from 1, `line` is a line of a text file."""

    detail: str
    field: str | None = None
    column: str | None = None
    row: int | None = None
    line: int | None = None
    token: str | None = None


class ApiError(HTTPException):
    """An error response with a stable `code` and the locations of the error.

    Args:
        detail: One sentence for the user: what was expected and what was received.
        places: Locations of the error; the first `MAX_PLACES` are shown.
        code: Replaces that of the class.
        headers: Added to the response.
    """

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init_subclass__(cls, *, status: int, code: str, retryable: bool = False) -> None:
        """Say what all errors of a class have in common."""
        cls.status, cls.default_code, cls.retryable = status, code, retryable

    def __init__(
        self,
        detail: str,
        places: Sequence[Place] = (),
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(self.status, detail, dict(headers or {}))
        self.code = code or self.default_code
        self.places = tuple(places[:MAX_PLACES])


class NotParseableError(ApiError, status=400, code="not_parseable"):
    """The body or a header cannot be parsed."""


class NotFoundError(ApiError, status=404, code="not_found"):
    """The resource does not exist."""


class NotAcceptableError(ApiError, status=406, code="not_acceptable"):
    """None of the accepted formats is available."""


class ConflictError(ApiError, status=409, code="conflict"):
    """The resource's state does not allow this."""


class GoneError(ApiError, status=410, code="gone"):
    """The resource existed, and was removed when its retention time ended."""


class PreconditionFailedError(ApiError, status=412, code="precondition_failed"):
    """The resource has changed since the client last saw it."""


class TooLargeError(ApiError, status=413, code="too_large"):
    """The request exceeds a size limit; the connection is closed, as the rest was not read."""

    def __init__(self, detail: str, places: Sequence[Place] = (), *, code: str | None = None) -> None:
        super().__init__(detail, places, code=code, headers={"Connection": "close"})


class UnsupportedMediaTypeError(ApiError, status=415, code="unsupported_media_type"):
    """The body's format is not supported."""


class InvalidError(ApiError, status=422, code="invalid"):
    """The request is well-formed but invalid."""


def together(errors: Sequence[InvalidError]) -> InvalidError:
    """Return one error that names the places of several, with the text and the code of the first."""
    places = [place for error in errors for place in error.places]
    return InvalidError(str(errors[0].detail), places, code=errors[0].code)


class TooManyError(ApiError, status=429, code="too_many", retryable=True):
    """A limit for one key was exceeded."""

    def __init__(self, detail: str, *, code: str, retry_after_s: int) -> None:
        super().__init__(detail, code=code, headers={"Retry-After": str(retry_after_s)})


class UnavailableError(ApiError, status=503, code="unavailable", retryable=True):
    """The service, or something it depends on, is temporarily unavailable."""

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail, code=code, headers={"Retry-After": "2"})


class DiskFullError(ApiError, status=507, code="disk_full", retryable=True):
    """The disk is full; the request may be repeated once something was deleted."""


def problem_response(request: Request, error: ApiError) -> Response:
    """Render `error` as problem+json, with the id of its request.

    Invisible characters in text quoted from the request are escaped.
    """
    document = {
        "type": f"urn:catvq:problem:{error.code}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": escape_hidden(error.detail),
        "instance": f"urn:catvq:request:{request.state.request_id}",
        "code": error.code,
        "errors": [
            {
                name: escape_hidden(value) if isinstance(value, str) else value
                for name, value in asdict(place).items()
                if value is not None
            }
            for place in error.places
        ],
        "retryable": error.retryable,
    }
    if request.scope.get("path", "").startswith(INFERENCE_PREFIX):
        document["error"] = document["detail"]
    return Response(orjson.dumps(document), error.status, error.headers, PROBLEM_MEDIA_TYPE)
