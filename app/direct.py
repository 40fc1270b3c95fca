"""The short way: requests with nothing to negotiate go past FastAPI's machinery.

They are answered exactly as the documented routes do, which get every request that has an alias, a query,
a format of tables, a body of unknown or great length, or anything else out of the ordinary.
"""

import io
import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app.caching import IMMUTABLE
from app.dependencies import Services
from app.documents import document_answer
from app.encoding import CODES_ONLY, answer_of, encode, read_rows
from app.media import Format
from app.tables.writing import write_answer

MAX_DIRECT_BYTES = 8 << 20  # what may lie in memory; larger bodies are worth a file
_PATH = re.compile(r"/v1/models/([A-Za-z0-9._-]{1,200})/encodings", re.ASCII)
_DOCUMENT_PATH = re.compile(r"/v1/models/([A-Za-z0-9._-]{1,200})(?:/(grouping|codebook|report))?", re.ASCII)
_FORMATS = {option.value.encode(): option for option in (Format.JSON, *CODES_ONLY)}
_UNCOMMON = {b"content-encoding", b"transfer-encoding", b"expect"}


class DirectEncodings(BaseRoute):
    """`POST /v1/models/{model_id}/encodings` in binary or JSON."""

    path = "/v1/models/{model_id}/encodings"

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take a request whose every particular is a common one."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["query_string"]:
            return Match.NONE, {}
        found = _PATH.fullmatch(scope["path"])
        if found is None:
            return Match.NONE, {}
        headers = dict(scope["headers"])
        sent = _FORMATS.get(headers.get(b"content-type", b""))
        accepted = headers.get(b"accept", b"*/*")
        asked = Format.JSON if accepted == b"*/*" else _FORMATS.get(accepted)
        length = headers.get(b"content-length", b"")
        if not sent or not asked or not length.isdigit() or _UNCOMMON & headers.keys():
            return Match.NONE, {}
        if int(length) > _max_bytes(scope["app"].state.services, sent):
            return Match.NONE, {}
        return Match.FULL, {"direct": (found[1], sent, asked)}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        api: Services = scope["app"].state.services
        model_id, sent, asked = scope["direct"]
        encoder = api.encoders.loaded(model_id)
        if encoder is None:
            encoder = await run_in_threadpool(api.encoders.get, model_id)
        rows = read_rows(api, encoder, io.BytesIO(await _receive_all(receive)), sent)
        encoded = await encode(api, encoder, rows, with_doubt=asked not in CODES_ONLY)
        body = write_answer(answer_of(model_id, encoder, encoded), asked)
        headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", asked.value.encode()),
            (b"vary", b"Accept"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class DirectDocuments(BaseRoute):
    """`GET` of a model and its JSON documents, once they are known."""

    path = "/v1/models/{model_id}/{document}"

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take a request for a document that was made before, of a model that is still there."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"]:
            return Match.NONE, {}
        found = _DOCUMENT_PATH.fullmatch(scope["path"])
        if found is None:
            return Match.NONE, {}
        model_id, part = found[1], found[2] or ""
        api: Services = scope["app"].state.services
        document = api.documents.find(model_id, part)
        if document is None or not api.store.models.directory(model_id).exists():
            return Match.NONE, {}
        return Match.FULL, {"direct": document}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = document_answer(Request(scope), scope["direct"], {"Cache-Control": IMMUTABLE})
        await answer(scope, receive, send)


def _max_bytes(api: Services, sent: Format) -> int:
    limit = api.settings.max_json_bytes if sent is Format.JSON else api.settings.max_body_bytes
    return min(limit, MAX_DIRECT_BYTES)


async def _receive_all(receive: Receive) -> bytes:
    parts: list[bytes] = []
    message: dict[str, Any] = {"more_body": True}
    while message.get("more_body"):
        message = dict(await receive())
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message["body"])
    return parts[0] if len(parts) == 1 else b"".join(parts)
