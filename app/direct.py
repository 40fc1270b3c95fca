"""The short way: requests with nothing to negotiate go past the routes and all that stands before them.

They are answered exactly as the documented routes do. Those get every request that has an alias, a query, a
format of tables, a body of unknown or great length, or anything else out of the ordinary, and every one
that is to be refused.
"""

import io
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.caching import IMMUTABLE
from app.dependencies import Services
from app.documents import document_answer
from app.encoder import Encoder
from app.encoding import CODES_ONLY, answer_of, check_row_count, encode, read_rows
from app.errors import ApiError
from app.inference import FIRST_VERSION, JSON_BYTES_HEADER, read_inference, write_inference
from app.media import Format
from app.tables.writing import write_answer

MAX_DIRECT_BYTES = 8 << 20  # what may lie in memory; larger bodies are worth a file
_FORMATS = {option.value.encode(): option for option in (Format.JSON, *CODES_ONLY)}
_JSON_BYTES = JSON_BYTES_HEADER.lower().encode()
_UNCOMMON = {b"content-encoding", b"transfer-encoding", b"expect"}
_NUMBER = re.compile(rb"[0-9]{1,15}")

_Headers: TypeAlias = list[tuple[bytes, bytes]]
_Answer: TypeAlias = Callable[[BinaryIO], Awaitable[tuple[bytes, _Headers]]]  # to a body


@dataclass(frozen=True)
class _Route:
    """What the numbers of the service call a request by."""

    path: str
    pattern: re.Pattern[str]


_ENCODINGS = _Route(
    "/v1/models/{model_id}/encodings",
    re.compile(r"/v1/models/([A-Za-z0-9._-]{1,200})/encodings", re.ASCII),
)
_INFER = _Route(
    "/v2/models/{model_id}/infer",
    re.compile(r"/v2/models/([A-Za-z0-9._-]{1,200})/infer", re.ASCII),
)
_DOCUMENTS = _Route(
    "/v1/models/{model_id}/{document}",
    re.compile(r"/v1/models/([A-Za-z0-9._-]{1,200})(?:/(grouping|codebook|report))?", re.ASCII),
)


class ShortWay:
    """Answers `POST` of rows in binary or JSON, and `GET` of a model and its documents once they are known.

    Args:
        app: What answers all other requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and not scope["query_string"]:
            if scope["method"] == "POST" and (found := _find(scope)):
                await self._encode(*found, scope, receive, send)
                return
            if scope["method"] == "GET" and (match := _DOCUMENTS.pattern.fullmatch(scope["path"])):
                await self._show(match, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _encode(
        self, route: _Route, answer: _Answer, scope: Scope, receive: Receive, send: Send
    ) -> None:
        messages = await _receive_all(receive)
        try:
            written, headers = await answer(_body_of(messages))
        except (ApiError, ClientDisconnect):
            await self._app(scope, _again(messages, receive), send)
            return
        scope["route"] = route
        headers.append((b"content-length", b"%d" % len(written)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": written})

    async def _show(self, match: re.Match[str], scope: Scope, receive: Receive, send: Send) -> None:
        api: Services = scope["app"].state.services
        model_id, part = match[1], match[2] or ""
        document = api.documents.find(model_id, part)
        if document is None or not api.store.models.directory(model_id).exists():
            await self._app(scope, receive, send)
            return
        scope["route"] = _DOCUMENTS
        answer = document_answer(Request(scope), document, {"Cache-Control": IMMUTABLE})
        await answer(scope, receive, send)


def _find(scope: Scope) -> tuple[_Route, _Answer] | None:
    """Return what answers a `POST` whose every particular is a common one."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    if not _NUMBER.fullmatch(length) or _UNCOMMON & headers.keys():
        return None
    api: Services = scope["app"].state.services
    for route, prepare in ((_ENCODINGS, _encodings), (_INFER, _inference)):
        match = route.pattern.fullmatch(scope["path"])
        encoder = match and api.encoders.loaded(match[1])
        answer = match and encoder and prepare(api, match[1], encoder, headers, int(length))
        if answer:
            return route, answer
    return None


def _encodings(
    api: Services, model_id: str, encoder: Encoder, headers: dict[bytes, bytes], length: int
) -> _Answer | None:
    sent = _FORMATS.get(headers.get(b"content-type", b""))
    accepted = headers.get(b"accept", b"*/*")
    asked = Format.JSON if accepted == b"*/*" else _FORMATS.get(accepted)
    if not sent or not asked or length > _max_bytes(api, is_json=sent is Format.JSON):
        return None

    async def answer(body: BinaryIO) -> tuple[bytes, _Headers]:
        rows = read_rows(api, encoder, body, sent)
        encoded = await encode(api, encoder, rows, with_doubt=asked not in CODES_ONLY)
        written = write_answer(answer_of(model_id, encoder, encoded), asked)
        return written, [(b"content-type", asked.value.encode()), (b"vary", b"Accept")]

    return answer


def _inference(
    api: Services, model_id: str, encoder: Encoder, headers: dict[bytes, bytes], length: int
) -> _Answer | None:
    sent = headers.get(_JSON_BYTES)
    if sent is not None and not _NUMBER.fullmatch(sent):
        return None
    json_bytes = None if sent is None else int(sent)
    if length > _max_bytes(api, is_json=sent is None) or (json_bytes or 0) > api.settings.max_json_bytes:
        return None

    async def answer(body: BinaryIO) -> tuple[bytes, _Headers]:
        inference = read_inference(body, json_bytes, encoder.features)
        check_row_count(api, len(inference.rows))
        encoded = await encode(api, encoder, inference.rows, with_doubt=inference.with_doubt)
        written = write_inference(inference, encoded, name=model_id, version=FIRST_VERSION)
        headers = [(name.lower().encode(), value.encode()) for name, value in written.headers.items()]
        return written.body, headers

    return answer


def _max_bytes(api: Services, *, is_json: bool) -> int:
    limit = api.settings.max_json_bytes if is_json else api.settings.max_body_bytes
    return min(limit, MAX_DIRECT_BYTES)


async def _receive_all(receive: Receive) -> list[Message]:
    """Receive a whole body, or what there is of it before the client goes away."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _body_of(messages: list[Message]) -> BinaryIO:
    if messages[-1]["type"] == "http.disconnect":
        raise ClientDisconnect
    return io.BytesIO(b"".join([message["body"] for message in messages]))


def _again(messages: list[Message], receive: Receive) -> Receive:
    """Let what was received be received once more, before what follows."""

    async def repeat() -> Message:
        return messages.pop(0) if messages else await receive()

    return repeat
