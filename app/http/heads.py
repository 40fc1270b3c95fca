"""Checks the head of every request: size, `Host` header, control characters in the path."""

import re

from starlette.types import Scope

from app.problems import ApiError, NotParseableError
from app.settings import ApiSettings

# Admission depends on the first four, and where a body ends on the last.
_SINGLE = {b"host", b"origin", b"sec-fetch-site", b"authorization", b"transfer-encoding"}
CHUNKED = b"chunked"
FIELD_BYTES = 4  # `: ` after a name and CR LF after its value
# C0 and C1 controls, DEL, Unicode's line separators, and the replacement for bytes that are not UTF-8.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]")


class HeadTooLargeError(ApiError, status=431, code="head_too_large"):
    """The head has too many bytes or fields."""


class HeadChecker:
    """Refuses requests whose head is too large or malformed."""

    def __init__(self, settings: ApiSettings) -> None:
        self._max_bytes = settings.max_head_bytes
        self._max_fields = settings.max_head_fields

    def check(self, scope: Scope) -> None:
        """Check the head of one request.

        Raises:
            ApiError: It is too large, has no host or two, its body is packed, or its path is malformed.
        """
        fields: list[tuple[bytes, bytes]] = scope["headers"]
        if len(fields) > self._max_fields:
            raise HeadTooLargeError(f"{len(fields)} header fields; at most {self._max_fields} are allowed")
        size = len(scope["raw_path"]) + len(scope["query_string"])
        if size + sum(len(name) + len(value) + FIELD_BYTES for name, value in fields) > self._max_bytes:
            raise HeadTooLargeError(f"the head is larger than {self._max_bytes} bytes")
        single = [(name, value) for name, value in fields if name in _SINGLE]
        values = dict(single)
        if len(values) < len(single):
            names = ", ".join(sorted(name.decode() for name in _SINGLE))
            raise NotParseableError(f"each of these headers may appear only once: {names}")
        if values.get(b"transfer-encoding", CHUNKED).lower() != CHUNKED:
            raise NotParseableError("of transfer encodings only `chunked` is read")
        if not values.get(b"host"):  # the server adds an empty one if it is missing
            raise NotParseableError("a request needs exactly one Host header", code="invalid_host")
        if not scope["path"].startswith("/") or _CONTROLS.search(scope["path"]):
            raise NotParseableError(
                "the path must begin with / and hold no control characters",
                code="invalid_path",
            )
