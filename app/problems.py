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
        code: Replaces the class's `default_code`.
        headers: Added to the response.
    """

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

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


class NotParseableError(ApiError):
    """The body or a header cannot be parsed."""

    status = 400
    default_code = "not_parseable"


class NotFoundError(ApiError):
    """The resource does not exist."""

    status = 404
    default_code = "not_found"


class NotAcceptableError(ApiError):
    """None of the accepted formats is available."""

    status = 406
    default_code = "not_acceptable"


class ConflictError(ApiError):
    """The resource's state does not allow this."""

    status = 409
    default_code = "conflict"


class GoneError(ApiError):
    """The resource existed, and was removed when its retention time ended."""

    status = 410
    default_code = "gone"


class PreconditionFailedError(ApiError):
    """The resource has changed since the client last saw it."""

    status = 412
    default_code = "precondition_failed"


class TooLargeError(ApiError):
    """The request exceeds a size limit; the connection is closed, as the rest was not read."""

    status = 413
    default_code = "too_large"

    def __init__(self, detail: str, places: Sequence[Place] = (), *, code: str | None = None) -> None:
        super().__init__(detail, places, code=code, headers={"Connection": "close"})


class UnsupportedMediaTypeError(ApiError):
    """The body's format is not supported."""

    status = 415
    default_code = "unsupported_media_type"


class InvalidError(ApiError):
    """The request is well-formed but invalid."""

    status = 422
    default_code = "invalid"


def together(errors: Sequence[InvalidError]) -> InvalidError:
    """Return one error that names the places of several, with the text and the code of the first."""
    places = [place for error in errors for place in error.places]
    return InvalidError(str(errors[0].detail), places, code=errors[0].code)


class TooManyError(ApiError):
    """A limit for one key was exceeded."""

    status = 429
    default_code = "too_many"
    retryable = True

    def __init__(self, detail: str, *, code: str, retry_after_s: int) -> None:
        super().__init__(detail, code=code, headers={"Retry-After": str(retry_after_s)})


class UnavailableError(ApiError):
    """The service, or something it depends on, is temporarily unavailable."""

    status = 503
    default_code = "unavailable"
    retryable = True

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail, code=code, headers={"Retry-After": "2"})


class DiskFullError(ApiError):
    """The disk is full; the request may be repeated once something was deleted."""

    status = 507
    default_code = "disk_full"
    retryable = True


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
