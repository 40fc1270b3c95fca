"""Conditional requests: entity tags, 304 responses, values of `Cache-Control`."""

import hashlib
import re

from starlette.requests import Request
from starlette.responses import Response

IMMUTABLE = "max-age=31536000, immutable"
REVALIDATE = "no-cache"
_TAG = re.compile(r'(W/)?"([^"]*)"')


def strong_tag(*parts: str | bytes) -> str:
    """Return an entity tag that differs when any part does."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return f'"{digest.hexdigest()[:32]}"'


def is_known(request: Request, tag: str) -> bool:
    """Whether the request's `If-None-Match` contains `tag`."""
    header = request.headers.get("if-none-match", "")
    return header.strip() == "*" or tag.strip('"') in {known for _, known in _TAG.findall(header)}


def strong_tags(header: str) -> set[str]:
    """Return the tags of an `If-Match` header, without their quotes; weak ones never match."""
    return {tag for weak, tag in _TAG.findall(header) if not weak}


def not_modified(headers: dict[str, str]) -> Response:
    """Return an empty 304 response."""
    return Response(status_code=304, headers=headers)
