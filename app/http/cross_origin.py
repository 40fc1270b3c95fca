"""Lets scripts of pages elsewhere use the service, where a setting names their origins (CORS)."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from app.auth.gate import ForeignSiteError

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
READABLE = (  # by scripts, beside what they may always read
    "Content-Location",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Repr-Digest",
    "Retry-After",
    "X-Request-Id",
)


class CrossOrigin(CORSMiddleware):
    """Answers the preflight requests of browsers, which carry no key; marks answers for listed origins."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=("*",),
            expose_headers=READABLE,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight request.

        Raises:
            ForeignSiteError: The origin is not listed, or the method is none of ours.
        """
        response = super().preflight_response(request_headers)
        if response.status_code >= 400:
            reason = bytes(response.body).decode()
            raise ForeignSiteError(f"{reason}; CATVQ_CORS_ORIGINS lists the origins that are allowed")
        return response
