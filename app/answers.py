"""The successful answers of routes."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.media import Format, asked_format
from app.tables.writing import Answer, to_json, write_answer


def json_answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON; NaN and infinity become null, times RFC 3339."""
    return Response(to_json(document), status, headers, Format.JSON.value)


def list_answer(request: Request, items: Sequence[Any], next_cursor: str | None) -> Response:
    """Answer with a page of a list, whose `Link` header leads to the next one."""
    headers = {}
    if next_cursor is not None:
        following = request.url.include_query_params(cursor=next_cursor)
        headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return json_answer({"items": items}, headers=headers)


def array_answer(
    request: Request, answer: Answer, formats: Sequence[Format], headers: Mapping[str, str] | None = None
) -> Response:
    """Answer in the format the request accepts.

    Raises:
        NotAcceptableError: It accepts none of them.
    """
    asked = asked_format(request.headers.get("accept"), formats)
    return Response(write_answer(answer, asked), 200, {"Vary": "Accept"} | dict(headers or {}), asked.value)
