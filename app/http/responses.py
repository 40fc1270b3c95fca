"""Builds the successful responses of routes: JSON, pages of lists, arrays, streams of rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.formats import Format, asked_format
from app.tables.stream_rows import Rows, rows_per_part, stream_rows
from app.tables.write import Answer, to_json, write_answer


def json_answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON; NaN and infinity become null, times RFC 3339."""
    return Response(to_json(document), status, headers, Format.JSON.value)


def list_answer(request: Request, items: Sequence[Any], next_cursor: str | None) -> Response:
    """Answer with one page of a list; a `Link` header points to the next page."""
    headers = {}
    if next_cursor is not None:
        following = request.url.include_query_params(cursor=next_cursor)
        headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return json_answer({"items": items}, headers=headers)


def array_answer(
    request: Request, answer: Answer, formats: tuple[Format, ...], headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with an array in the format that the request accepts.

    Raises:
        NotAcceptableError: The request accepts none of `formats`.
    """
    asked = asked_format(request.headers.get("accept"), formats)
    return Response(write_answer(answer, asked), 200, {"Vary": "Accept"} | dict(headers or {}), asked.value)


def rows_answer(rows: Rows, asked: Format, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with rows; many rows are streamed in parts."""
    complete = {"Vary": "Accept"} | dict(headers or {})
    pieces = stream_rows(rows, asked)
    if rows.count <= rows_per_part(len(rows.names)):
        return Response(b"".join(pieces), 200, complete, asked.value)
    return StreamingResponse(pieces, 200, complete, asked.value)
