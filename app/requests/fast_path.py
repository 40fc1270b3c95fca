"""Fast path: answers common requests about models before the framework sees them.

They are answered exactly as the documented routes do. Those get every request that has a query, a format of
tables, a body of unknown or great length, or anything else out of the ordinary, and every one that is to be
refused: it is handed on with what was read of its body.
"""

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from app.formats import Format
from app.http.request_middleware import REQUEST_ID, common_headers, request_id_of
from app.http.transfer import SlowReaderError, send_pieces
from app.inference.document_cache import document_answer
from app.inference.encoded import Encoded
from app.inference.encoder import Encoder
from app.inference.model_lookup import ServedModel, document_headers, result_headers
from app.requests.common_requests import FORMATS, MAX_FIELDS, CommonRequest, recognize
from app.requests.encode import (
    CODES_ONLY,
    MAX_BYTES_AT_ONCE,
    Rows,
    answer_of,
    call,
    check_row_count,
    encode,
    read_rows,
)
from app.requests.open_inference import read_inference, write_inference
from app.services import Services
from app.tables.readers.numpy_reader import rows_of
from app.tables.write import write_answer, write_array
from worker.store import Scope as KeyScope

MAX_BODY_BYTES = 8 << 20  # what may lie in memory; larger bodies are worth a file
MAX_JSON_BYTES = 2 << 20
MAX_ROWS_AS_JSON = 5000
LOOK_EVERY_S = 1.0
_FOR_ADMISSION = [(name.encode(), name) for name in ("host", "origin", "sec-fetch-site", "authorization")]
_COMMON_HEADERS = common_headers(())
_DOCUMENT_HEADERS = common_headers([(b"cache-control", b"")])  # which documents have of their own
_CODES_HEADERS = {
    asked: [(b"content-type", asked.value.encode()), (b"vary", b"Accept"), *_COMMON_HEADERS]
    for asked in FORMATS.values()
}


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer; headers are those that its route gives it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class FastPath:
    """Answers `POST` of rows in binary or JSON, and `GET` of a model's documents once they are known.

    Args:
        app: A started application, which answers all other requests.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._api: Services = app.state.services
        self._in_flight = 0
        self._max_fields = min(MAX_FIELDS, self._api.settings.max_head_fields)
        self._is_traced = self._api.settings.otlp_endpoint is not None  # a trace begins in the application
        self._answers_other_origins = bool(self._api.settings.cors_origins)
        self._routed: set[asyncio.Task[Any] | None] = set()
        self._reading: dict[asyncio.Task[Any] | None, float] = {}  # when its last piece came
        self._late: set[asyncio.Task[Any] | None] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        common = self._common(scope, headers)
        if common is None:
            await self._by_route(scope, receive, send)
            return
        body = _Body(receive)
        self._in_flight += 1
        try:
            reply = await self._reply(scope, headers, common, body)
        except Exception:  # noqa: BLE001 - the route meets it again, and answers for it
            reply = None
        finally:
            self._in_flight -= 1
        if reply is None:
            await self._by_route(scope, body.receive, send)
            return
        request_id = request_id_of(headers.get(REQUEST_ID)).encode()
        fields = [*reply.headers, (REQUEST_ID, request_id), *scope["state"].get("rate_limit", ())]
        await send({"type": "http.response.start", "status": reply.status, "headers": fields})
        message = {"type": "http.response.body", "body": reply.body}
        try:
            await send_pieces(send, message, self._api.settings.body_timeout_s)
        except SlowReaderError:
            self._api.connections.give_up(scope["client"])
        self._api.telemetry.count_request(scope["method"], common.route, reply.status, perf_counter() - began)

    async def _by_route(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        self._routed.add(task)
        try:
            await self._app(scope, receive, send)
        finally:
            self._routed.discard(task)

    def cancel(self) -> None:
        """Give up the requests that are still being received, or answered by routes."""
        for task in [task for task in (*self._routed, *self._reading) if task]:
            task.cancel()

    def _common(self, scope: Scope, headers: dict[bytes, bytes]) -> CommonRequest | None:
        fields = scope["headers"]
        if scope["type"] != "http" or scope["query_string"] or len(fields) > self._max_fields:
            return None
        if len(headers) < len(fields) or self._is_traced or self._api.connections.is_full:
            return None
        if self._answers_other_origins and b"origin" in headers:
            return None
        return recognize(scope["method"], scope["path"], headers)

    async def _reply(
        self, scope: Scope, headers: dict[bytes, bytes], common: CommonRequest, body: "_Body"
    ) -> _Reply | None:
        """Return the answer, or None where the route is to give it.

        Raises:
            Exception: Of any kind, where the route is to refuse the request or to answer for the failure.
        """
        for_admission = {
            name: headers[raw].decode("latin-1") for raw, name in _FOR_ADMISSION if raw in headers
        }
        key = self._api.admission.admit_at_once(scope, for_admission, KeyScope.READ)
        scope["state"] = {"key": key}
        if common.part is not None:
            return self._document(scope, common.key, common.part)
        model = self._api.models.find_at_once(common.key)
        if model is None or model.encoder.families:
            return None
        if common.length > self._max_bytes(common, len(model.encoder.features)):
            return None
        content = await self._read(body, common.length)
        if common.is_inference:
            return await self._infer(scope, common, model, content)
        return await self._encodings(scope, common, model, content)

    async def _read(self, body: "_Body", length: int) -> bytes:
        """Return a whole body.

        Raises:
            TimeoutError: It does not come in time; the route gives it more, or answers for it.
            MemoryError: There is no room for it; the route keeps it in a file.
            KeyError: The client has gone.
        """
        if not self._api.body_memory.take(length):
            raise MemoryError
        task = asyncio.current_task()
        try:
            return await body.read(length, lambda: self._reading.__setitem__(task, monotonic()))
        except asyncio.CancelledError:
            if task is None or task not in self._late:
                raise
            task.uncancel()
            raise TimeoutError from None
        finally:
            self._api.body_memory.give_back(length)
            self._reading.pop(task, None)
            self._late.discard(task)

    async def watch(self) -> None:
        """Hand over to the routes, again and again, the requests whose bodies do not come.

        A timer for each of them would cost more than to recognise one.
        """
        timeout_s = self._api.settings.body_timeout_s
        while True:
            await asyncio.sleep(min(timeout_s, LOOK_EVERY_S))
            latest = monotonic() - timeout_s
            for task in [task for task, since in self._reading.items() if task and since < latest]:
                self._late.add(task)
                task.cancel()

    async def _encodings(
        self, scope: Scope, common: CommonRequest, model: ServedModel, content: bytes
    ) -> _Reply:
        encoder, sent, asked = model.encoder, common.sent, common.asked
        if sent is Format.RAW:
            rows = rows_of(content, encoder.singles_per_row).view(encoder.dtype)
            check_row_count(self._api, len(rows), encoder.width)
            rows = encoder.mark_missing(rows, model.options.missing_numbers)
        else:
            here = sent is not Format.JSON or common.length <= MAX_BYTES_AT_ONCE
            rows = await call(here, read_rows, self._api, model, io.BytesIO(content), sent)
        encoded = await self._encode(scope, encoder, rows, with_doubt=asked not in CODES_ONLY)
        written = (
            write_array(encoded.codes, asked)
            if asked in CODES_ONLY
            else write_answer(answer_of(model.record.id, encoder.tokens, encoded), asked)
        )
        headers = [*_CODES_HEADERS[asked], (b"content-length", b"%d" % len(written))]
        headers += _raw(result_headers(common.key, model.record.id))
        return _Reply(200, headers, written)

    async def _infer(self, scope: Scope, common: CommonRequest, model: ServedModel, content: bytes) -> _Reply:
        json_bytes = common.json_bytes
        here = (common.length if json_bytes is None else json_bytes) <= MAX_BYTES_AT_ONCE
        encoder = model.encoder
        inference = await call(here, read_inference, self._api, io.BytesIO(content), json_bytes, model)
        check_row_count(self._api, len(inference.rows), encoder.width)
        encoded = await self._encode(scope, encoder, inference.rows, with_doubt=inference.with_doubt)
        written = write_inference(inference, encoded, common.key, model.version)
        headers = written.headers | result_headers(common.key, model.record.id)
        length = (b"content-length", b"%d" % len(written.body))
        return _Reply(200, [*_raw(headers), length, *_COMMON_HEADERS], written.body)

    def _document(self, scope: Scope, key: str, part: str) -> _Reply | None:
        named = self._api.models.resolve_at_once(key)
        document = named and self._api.documents.find(named.model_id, part)
        if not named or not document or not self._api.store.models.is_known(named.model_id):
            return None
        headers = document_headers(key, named.model_id, f"/{part}" if part else "")
        made = document_answer(Request(scope), document, headers)
        return _Reply(made.status_code, [*made.raw_headers, *_DOCUMENT_HEADERS], bytes(made.body))

    async def _encode(self, scope: Scope, encoder: Encoder, rows: Rows, *, with_doubt: bool) -> Encoded:
        is_alone = self._in_flight == 1
        return await encode(
            self._api, scope["state"], encoder, rows, with_doubt=with_doubt, is_alone=is_alone
        )

    def _max_bytes(self, common: CommonRequest, width: int) -> int:
        settings = self._api.settings
        max_json_bytes = min(settings.max_json_bytes, MAX_JSON_BYTES)
        if common.sent is Format.JSON and common.json_bytes is None:
            return max_json_bytes
        if (common.json_bytes or 0) > max_json_bytes:
            return 0
        limit = min(settings.max_body_bytes, MAX_BODY_BYTES)
        return min(limit, MAX_ROWS_AS_JSON * 4 * width) if common.asked is Format.JSON else limit


class _Body:
    """A body that the route can read as well, should it have to."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: list[Message] = []

    async def read(self, length: int, note_piece: Callable[[], None]) -> bytes:
        """Return the whole body, which says that it is so long.

        Raises:
            KeyError: The client has gone.
        """
        while length > 0:
            note_piece()
            message = await self._receive()
            self._messages.append(message)
            length -= len(message["body"])
        if len(self._messages) > 1:
            whole = b"".join(message["body"] for message in self._messages)
            self._messages = [{**self._messages[-1], "body": whole}]  # not kept twice
        content: bytes = self._messages[0]["body"]
        return content

    async def receive(self) -> Message:
        """Return what was read once more, then what comes."""
        return self._messages.pop(0) if self._messages else await self._receive()


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
