"""The short way: requests with nothing to negotiate go past the routes and all that stands before them.

They are answered exactly as the documented routes do. Those get every request that has an alias, a query, a
format of tables, a body of unknown or great length, or anything else out of the ordinary, and every one
that is to be refused.
"""

import io
import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.caching import IMMUTABLE
from app.dependencies import Services
from app.documents import document_answer
from app.encoder import Encoder
from app.encoding import CODES_ONLY, answer_of, encode, read_rows
from app.errors import ApiError
from app.media import Format
from app.tables.writing import write_answer

MAX_DIRECT_BYTES = 8 << 20  # what may lie in memory; larger bodies are worth a file
_FORMATS = {option.value.encode(): option for option in (Format.JSON, *CODES_ONLY)}
_UNCOMMON = {b"content-encoding", b"transfer-encoding", b"expect"}


@dataclass(frozen=True)
class _Route:
    """What the numbers of the service call a request by."""

    path: str
    pattern: re.Pattern[str]


_ENCODINGS = _Route(
    "/v1/models/{model_id}/encodings",
    re.compile(r"/v1/models/([A-Za-z0-9._-]{1,200})/encodings", re.ASCII),
)
_DOCUMENTS = _Route(
    "/v1/models/{model_id}/{document}",
    re.compile(r"/v1/models/([A-Za-z0-9._-]{1,200})(?:/(grouping|codebook|report))?", re.ASCII),
)


@dataclass(frozen=True)
class _Common:
    """A request for encodings whose every particular is a common one."""

    model_id: str
    encoder: Encoder
    sent: Format
    asked: Format


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
            if scope["method"] == "POST" and (common := _common(scope)):
                await self._encode(common, scope, receive, send)
                return
            if scope["method"] == "GET" and (found := _DOCUMENTS.pattern.fullmatch(scope["path"])):
                await self._show(found, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _encode(self, common: _Common, scope: Scope, receive: Receive, send: Send) -> None:
        messages = await _receive_all(receive)
        answer = await _answer(scope["app"].state.services, common, messages)
        if answer is None:
            await self._app(scope, _again(messages, receive), send)
            return
        scope["route"] = _ENCODINGS
        headers = [
            (b"content-length", b"%d" % len(answer)),
            (b"content-type", common.asked.value.encode()),
            (b"vary", b"Accept"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _show(self, found: re.Match[str], scope: Scope, receive: Receive, send: Send) -> None:
        api: Services = scope["app"].state.services
        model_id, part = found[1], found[2] or ""
        document = api.documents.find(model_id, part)
        if document is None or not api.store.models.directory(model_id).exists():
            await self._app(scope, receive, send)
            return
        scope["route"] = _DOCUMENTS
        answer = document_answer(Request(scope), document, {"Cache-Control": IMMUTABLE})
        await answer(scope, receive, send)


def _common(scope: Scope) -> _Common | None:
    found = _ENCODINGS.pattern.fullmatch(scope["path"])
    if found is None:
        return None
    headers = dict(scope["headers"])
    sent = _FORMATS.get(headers.get(b"content-type", b""))
    accepted = headers.get(b"accept", b"*/*")
    asked = Format.JSON if accepted == b"*/*" else _FORMATS.get(accepted)
    length = headers.get(b"content-length", b"")
    if not sent or not asked or not length.isdigit() or _UNCOMMON & headers.keys():
        return None
    api: Services = scope["app"].state.services
    if int(length) > _max_bytes(api, sent):
        return None
    encoder = api.encoders.loaded(found[1])
    return None if encoder is None else _Common(found[1], encoder, sent, asked)


async def _answer(api: Services, common: _Common, messages: list[Message]) -> bytes | None:
    """Return codes of the rows received; None where there is something to refuse, or nobody to answer."""
    if messages[-1]["type"] != "http.request":
        return None
    body = io.BytesIO(b"".join([message["body"] for message in messages]))
    try:
        rows = read_rows(api, common.encoder, body, common.sent)
        encoded = await encode(api, common.encoder, rows, with_doubt=common.asked not in CODES_ONLY)
    except ApiError:
        return None
    return write_answer(answer_of(common.model_id, common.encoder, encoded), common.asked)


def _max_bytes(api: Services, sent: Format) -> int:
    limit = api.settings.max_json_bytes if sent is Format.JSON else api.settings.max_body_bytes
    return min(limit, MAX_DIRECT_BYTES)


async def _receive_all(receive: Receive) -> list[Message]:
    """Receive a whole body, or what there is of it before the client goes away."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _again(messages: list[Message], receive: Receive) -> Receive:
    """Let what was received be received once more, before what follows."""

    async def repeat() -> Message:
        return messages.pop(0) if messages else await receive()

    return repeat
