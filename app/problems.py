"""Every error the API answers with, rendered in one form: RFC 9457 problem+json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import ClassVar

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from worker.contract.names import escape_hidden

PROBLEM_MEDIA_TYPE = "application/problem+json"
MAX_PLACES = 20  # enough to mend a file, too few to echo an upload back
INFERENCE_PREFIX = "/v2"  # the Open Inference Protocol, whose clients look for the text under `error`


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a request the fault is. Rows of data count from 1; `line` is the line of a text file."""

    detail: str
    field: str | None = None
    column: str | None = None
    row: int | None = None
    line: int | None = None
    token: str | None = None


class ApiError(HTTPException):
    """An answer other than success, with a stable `code` and the places at fault.

    Args:
        detail: One sentence for the user, saying what was needed and what came.
        places: Where the fault is; the first `MAX_PLACES` are shown.
        code: Overrides the class's own code.
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
    """The body or a header cannot be read at all."""

    status = 400
    default_code = "not_parseable"


class NotFoundError(ApiError):
    """There is nothing under this name."""

    status = 404
    default_code = "not_found"


class NotAcceptableError(ApiError):
    """None of the formats asked for is offered here."""

    status = 406
    default_code = "not_acceptable"


class ConflictError(ApiError):
    """The resource is not in a state that allows this."""

    status = 409
    default_code = "conflict"


class GoneError(ApiError):
    """There was something under this name, which was kept long enough."""

    status = 410
    default_code = "gone"


class PreconditionFailedError(ApiError):
    """The resource has changed since the client last saw it."""

    status = 412
    default_code = "precondition_failed"


class TooLargeError(ApiError):
    """More than the service takes in one request; the connection closes, as the rest was not read."""

    status = 413
    default_code = "too_large"

    def __init__(self, detail: str, places: Sequence[Place] = (), *, code: str | None = None) -> None:
        super().__init__(detail, places, code=code, headers={"Connection": "close"})


class UnsupportedMediaTypeError(ApiError):
    """The body's format is not read here."""

    status = 415
    default_code = "unsupported_media_type"


class InvalidError(ApiError):
    """Well-formed, but not something the service can work with."""

    status = 422
    default_code = "invalid"


class TooManyError(ApiError):
    """One key asks for more than its share."""

    status = 429
    default_code = "too_many"
    retryable = True

    def __init__(self, detail: str, *, code: str, retry_after_s: int) -> None:
        super().__init__(detail, code=code, headers={"Retry-After": str(retry_after_s)})


class UnavailableError(ApiError):
    """Something the service needs does not answer now."""

    status = 503
    default_code = "unavailable"
    retryable = True

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail, code=code, headers={"Retry-After": "2"})


class DiskFullError(ApiError):
    """There is no room for what was sent; it may be sent again once something was deleted."""

    status = 507
    default_code = "disk_full"
    retryable = True


def problem_response(request: Request, error: ApiError) -> Response:
    """Render `error` as problem+json, naming the request it belongs to.

    What it quotes from the request is shown as it is, but for characters that could not be seen.
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
