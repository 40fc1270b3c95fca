"""Fast path: answers common requests about models before the framework sees them.

They are answered exactly as the documented routes do. Those get every request that has a query, a format of
tables, a body of unknown or great length, or anything else out of the ordinary, and every one that is to be
refused: it is handed on with what was read of its body.
"""

import asyncio
import io
from time import monotonic, perf_counter
from typing import Any, BinaryIO

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.http.request_middleware import REQUEST_ID, common_headers, request_id_of
from app.http.transfer import SlowReaderError, send_pieces
from app.inference.document_cache import document_answer
from app.inference.model_lookup import ServedModel, document_headers, result_headers
from app.requests.common_requests import MAX_FIELDS, CommonRequest, recognize
from app.requests.encode import CODES_ONLY, answer_of, check_row_count, encode, read_rows
from app.requests.open_inference import read_inference, write_inference
from app.services import Services
from app.tables.write import write_answer, write_array
from worker.store import KeyRecord
from worker.store import Scope as KeyScope

LOOK_EVERY_S = 1.0
LATE = "the body does not come"
_FOR_ADMISSION = [(name.encode(), name) for name in ("host", "origin", "sec-fetch-site", "authorization")]
_ROWS_HEADERS = common_headers(())
_DOCUMENT_HEADERS = common_headers([(b"cache-control", b"")])  # which documents have of their own


class FastPath:
    """Answers `POST` of rows in binary or JSON, and `GET` of a model's documents once they are known.

    Args:
        app: A started application, which answers all other requests.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._api: Services = app.state.services
        self._in_flight = 0
        settings = self._api.settings
        self._max_fields = min(MAX_FIELDS, settings.max_head_fields)
        self._max_bytes = min(settings.max_json_bytes, settings.max_body_bytes)
        self._is_traced = settings.otlp_endpoint is not None  # a trace begins in the application
        self._answers_other_origins = bool(settings.cors_origins)
        self._answering: set[asyncio.Task[Any] | None] = set()
        self._reading: dict[asyncio.Task[Any] | None, float] = {}  # since when

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        task = asyncio.current_task()
        self._answering.add(task)
        try:
            await self._answer(scope, receive, send)
        finally:
            self._answering.discard(task)

    def cancel(self) -> None:
        """Give up all requests that are still being received, or answered."""
        for task in [task for task in self._answering if task]:
            task.cancel()

    async def watch(self) -> None:
        """Hand over to the routes, again and again, the requests whose bodies do not come.

        A timer for each of them would cost more than to recognise one.
        """
        timeout_s = self._api.settings.body_timeout_s
        while True:
            await asyncio.sleep(min(timeout_s, LOOK_EVERY_S))
            latest = monotonic() - timeout_s
            for task in [task for task, since in self._reading.items() if task and since < latest]:
                task.cancel(LATE)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        common = self._common(scope, headers)
        if common is None:
            await self._app(scope, receive, send)
            return
        messages: list[Message] = []
        self._in_flight += 1
        try:
            scope["state"] = {"key": self._admit(scope, headers), "is_alone": self._in_flight == 1}
            reply = await self._reply(scope, common, receive, messages)
        except Exception:  # noqa: BLE001 - the route meets it again, and answers for it
            reply = None
        finally:
            self._in_flight -= 1

        if reply is None:

            async def receive_again() -> Message:
                return messages.pop(0) if messages else await receive()

            await self._app(scope, receive_again, send)
            return
        request_id = request_id_of(headers.get(REQUEST_ID)).encode()
        fields = [*reply.raw_headers, *scope["state"].get("rate_limit", ()), (REQUEST_ID, request_id)]
        fields += _ROWS_HEADERS if common.length else _DOCUMENT_HEADERS
        await send({"type": "http.response.start", "status": reply.status_code, "headers": fields})
        message = {"type": "http.response.body", "body": reply.body}
        try:
            await send_pieces(send, message, self._api.settings.body_timeout_s)
        except SlowReaderError:
            self._api.connections.give_up(scope["client"])
        took_s = perf_counter() - began
        self._api.telemetry.count_request(scope["method"], common.route, reply.status_code, took_s)

    def _common(self, scope: Scope, headers: dict[bytes, bytes]) -> CommonRequest | None:
        fields = scope["headers"]
        if scope["type"] != "http" or scope["query_string"] or self._is_traced:
            return None
        if not len(headers) == len(fields) <= self._max_fields or self._api.connections.is_full:
            return None
        if self._answers_other_origins and b"origin" in headers:
            return None
        return recognize(scope["method"], scope["path"], headers)

    def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> KeyRecord | None:
        asked = {name: headers[raw].decode("latin-1") for raw, name in _FOR_ADMISSION if raw in headers}
        return self._api.admission.admit_at_once(scope, asked, KeyScope.READ)

    async def _reply(
        self, scope: Scope, common: CommonRequest, receive: Receive, messages: list[Message]
    ) -> Response | None:
        """Return the answer, or None where the route is to give it.

        Args:
            messages: What was received, which the route will need as well.

        Raises:
            Exception: Of any kind, where the route is to refuse the request or to answer for the failure.
        """
        if not common.length:
            return self._document(scope, common)
        model = self._api.models.find_at_once(common.key)
        if model is None or model.encoder.families or common.length > self._max_bytes:
            return None
        content = io.BytesIO(await self._read(common.length, receive, messages))
        answer = self._encodings if common.part == "encodings" else self._infer
        return await answer(scope, common, model, content)

    async def _read(self, length: int, receive: Receive, messages: list[Message]) -> bytes:
        """Return a whole body.

        Raises:
            TimeoutError: It does not come in time; the route gives it more, or answers for it.
            MemoryError: There is no room for it; the route keeps it in a file.
            KeyError: The client has gone.
        """
        if not self._api.body_memory.take(length):
            raise MemoryError
        task = asyncio.current_task()
        self._reading[task] = monotonic()
        try:
            missing = length
            while missing > 0:
                messages.append(await receive())
                missing -= len(messages[-1]["body"])
        except asyncio.CancelledError as cancelled:
            if task is None or cancelled.args != (LATE,):
                raise
            task.uncancel()
            raise TimeoutError from None
        finally:
            self._api.body_memory.give_back(length)
            del self._reading[task]
        return b"".join(message["body"] for message in messages)

    async def _encodings(
        self, scope: Scope, common: CommonRequest, model: ServedModel, content: BinaryIO
    ) -> Response:
        rows, with_doubt = read_rows(self._api, model, content, common.sent), common.asked not in CODES_ONLY
        encoded = await encode(self._api, scope["state"], model.encoder, rows, with_doubt=with_doubt)
        headers = {"Vary": "Accept"} | result_headers(common.key, model.record.id)
        if with_doubt:
            written = write_answer(answer_of(model.record.id, model.encoder.tokens, encoded), common.asked)
        else:
            written = write_array(encoded.codes, common.asked)
        return Response(written, 200, headers, common.asked.value)

    async def _infer(
        self, scope: Scope, common: CommonRequest, model: ServedModel, content: BinaryIO
    ) -> Response:
        inference = read_inference(self._api, content, common.json_bytes, model)
        rows, with_doubt = inference.rows, inference.with_doubt
        check_row_count(self._api, len(rows), model.encoder.width)
        encoded = await encode(self._api, scope["state"], model.encoder, rows, with_doubt=with_doubt)
        written = write_inference(inference, encoded, common.key, model.version)
        return Response(written.body, 200, written.headers | result_headers(common.key, model.record.id))

    def _document(self, scope: Scope, common: CommonRequest) -> Response | None:
        named = self._api.models.resolve_at_once(common.key)
        document = named and self._api.documents.find(named.model_id, common.part)
        if not named or not document or not self._api.store.models.is_known(named.model_id):
            return None
        part = f"/{common.part}" if common.part else ""
        headers = document_headers(common.key, named.model_id, part)
        return document_answer(Request(scope), document, headers)
