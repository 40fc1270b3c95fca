"""Checks of a request's head that hold for every path: its size, its host, its characters."""

import re

from starlette.types import Scope

from app.problems import ApiError, NotParseableError
from app.settings import ApiSettings

_SINGLE = {b"host", b"origin", b"sec-fetch-site", b"authorization"}  # what decides who may come in
FIELD_BYTES = 4  # what stands between a name, its value and the next name
# C0 and C1 controls, DEL, Unicode's ends of lines, and what stands for bytes that are no UTF-8.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]")


class HeadTooLargeError(ApiError):
    """The head has more bytes or fields than are taken."""

    status = 431
    default_code = "head_too_large"


class HeadChecker:
    """Refuses heads that no route should see."""

    def __init__(self, settings: ApiSettings) -> None:
        self._max_bytes = settings.max_head_bytes
        self._max_fields = settings.max_head_fields

    def check(self, scope: Scope) -> None:
        """Check the head of one request.

        Raises:
            ApiError: It is too large, has not exactly one host, or a path that cannot be one.
        """
        fields: list[tuple[bytes, bytes]] = scope["headers"]
        if len(fields) > self._max_fields:
            raise HeadTooLargeError(f"{len(fields)} header fields are more than {self._max_fields}")
        size = len(scope["raw_path"]) + len(scope["query_string"])
        if size + sum(len(name) + len(value) + FIELD_BYTES for name, value in fields) > self._max_bytes:
            raise HeadTooLargeError(f"the head is larger than {self._max_bytes} bytes")
        single = [(name, value) for name, value in fields if name in _SINGLE]
        if len(dict(single)) < len(single):
            raise NotParseableError("Host, Origin, Sec-Fetch-Site or Authorization is there twice")
        if not dict(single).get(b"host"):  # the server makes an empty one of a missing one
            raise NotParseableError("a request needs exactly one Host header", code="invalid_host")
        if not scope["path"].startswith("/") or _CONTROLS.search(scope["path"]):
            raise NotParseableError(
                "the path is not one: it must begin with / and hold no control characters",
                code="invalid_path",
            )
