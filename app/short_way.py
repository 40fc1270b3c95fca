"""The short way: requests with nothing to negotiate go past the framework.

They are answered exactly as the documented routes do. Those get every request that has an alias, a query, a
format of tables, a body of unknown or great length, or anything else out of the ordinary, and every one
that is to be refused.
"""

from __future__ import annotations  # those of inner functions would be evaluated in every request

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import BinaryIO, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.types import Scope

from app.caching import IMMUTABLE
from app.dependencies import Services
from app.documents import document_answer
from app.encoder import Encoded, Encoder
from app.encoding import CODES_ONLY, answer_of, check_row_count, read_rows
from app.http_head import Fields, read_http
from app.inference import FIRST_VERSION, JSON_BYTES_HEADER, Inference, read_inference, write_inference
from app.media import Format
from app.tables.writing import write_answer, write_array
from worker.store import KeyRecord

MAX_HEAD_BYTES = 4096
MAX_FIELDS = 64
HEADS_REMEMBERED = 256
MAX_BODY_BYTES = 8 << 20  # what may lie in memory; larger bodies are worth a file
MAX_JSON_BYTES = 2 << 20
# The event loop does nothing else while it reads and writes these: for some milliseconds at most.
MAX_BYTES_AT_ONCE = 1 << 18
MAX_ROWS_AS_JSON = 5000
_FORMATS = {option.value: option for option in (Format.JSON, *CODES_ONLY)}
_JSON_BYTES = JSON_BYTES_HEADER.lower()
_UNCOMMON = {"content-encoding", "transfer-encoding", "expect"}
_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_ENCODINGS = re.compile(r"/v1/models/([A-Za-z0-9._-]{1,200})/encodings", re.ASCII)
_INFER = re.compile(r"/v2/models/([A-Za-z0-9._-]{1,200})/infer", re.ASCII)
_DOCUMENT = re.compile(r"/v1/models/([A-Za-z0-9._-]{1,200})(?:/(grouping|codebook|report))?", re.ASCII)

Read = TypeVar("Read")


class Reply(NamedTuple):
    """An answer, and the route that would have given it.

    Args:
        headers: Without the length and those that every answer carries.
    """

    route: str
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


Deliver: TypeAlias = Callable[[Reply | None], None]
Answer: TypeAlias = Callable[[BinaryIO, Deliver], None]
"""Takes a request's body, and delivers its answer later, or None where the documented route is to answer.

Raises:
    Exception: Of any kind, where the route is to refuse the request or to answer for the failure.
"""
Prepare: TypeAlias = Callable[[], Answer | None]


@dataclass(frozen=True, slots=True)
class Head:
    """What a common request says before its body.

    Args:
        raw: Its bytes, up to the body.
        length: Of the body, in bytes.
        prepare: Returns what answers it now.
    """

    raw: bytes
    method: str
    path: str
    fields: Fields
    headers: dict[str, str]
    length: int
    prepare: Prepare

    def scope(self, server: tuple[str, int | None] | None) -> Scope:
        """Return as much as the gate and the documents read of a request that came in at an address."""
        return {
            "type": "http",
            "method": self.method,
            "path": self.path,
            "headers": self.fields,
            "server": server,
        }


class ShortWay:
    """Answers `POST` of rows in binary or JSON, and `GET` of a model's documents once they are known."""

    def __init__(self, api: Services) -> None:
        self._api = api
        # Programs that send rows again and again send the same head.
        self.read_head = lru_cache(HEADS_REMEMBERED)(self._read_head)

    def find(self, head: Head, scope: Scope) -> tuple[Answer, KeyRecord | None] | None:
        """Return what answers a request, and the key that it came in by, if it may come in."""
        try:
            answer = head.prepare()
            return answer and (answer, self._api.admission.admit_at_once(scope, head.headers))
        except Exception:  # noqa: BLE001 - the application meets it again, and answers for it
            return None

    def count(self, head: Head, reply: Reply, seconds: float) -> None:
        """Count a request that was answered."""
        self._api.telemetry.count_request(head.method, reply.route, reply.status, seconds)

    def _read_head(self, raw: bytes) -> Head | None:
        """Return what a request says before its body if every particular of it is a common one."""
        read = read_http(raw)
        if not read:
            return None
        method, path, fields = read
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in fields}
        length = headers.get("content-length", "0")
        if len(fields) > MAX_FIELDS or len(headers) < len(fields):
            return None
        if not _UNCOMMON.isdisjoint(headers) or not _NUMBER.fullmatch(length):
            return None
        prepare = None
        if method == "POST" and int(length):
            prepare = self._encodings(path, headers) or self._infer(path, headers)
        elif method == "GET" and not int(length):
            prepare = self._document(path, fields)
        return prepare and Head(raw, method, path, fields, headers, int(length), prepare)

    def _encodings(self, path: str, headers: dict[str, str]) -> Prepare | None:
        match = _ENCODINGS.fullmatch(path)
        sent, accepted = _FORMATS.get(headers.get("content-type", "")), headers.get("accept", "*/*")
        asked = Format.JSON if accepted == "*/*" else _FORMATS.get(accepted)
        if not match or not sent or not asked:
            return None
        model_id, length = match[1], int(headers["content-length"])

        def prepare() -> Answer | None:
            encoder = self._api.encoders.loaded(model_id)
            if not encoder or length > self._max_bytes(encoder, reads=sent, writes=asked):
                return None

            def read(body: BinaryIO) -> NDArray[np.float32]:
                return read_rows(self._api, encoder, body, sent)

            def write(encoded: Encoded) -> Reply:
                body = (
                    write_array(encoded.codes, asked)
                    if asked in CODES_ONLY
                    else write_answer(answer_of(model_id, encoder, encoded), asked)
                )
                headers = ((b"content-type", asked.value.encode()), (b"vary", b"Accept"))
                return Reply("/v1/models/{model_id}/encodings", 200, headers, body)

            def encode(rows: NDArray[np.float32], deliver: Deliver) -> None:
                self._encode(encoder, rows, write, deliver, with_doubt=asked not in CODES_ONLY)

            return _in_two_steps(read, encode, at_once=sent is not Format.JSON or length <= MAX_BYTES_AT_ONCE)

        return prepare

    def _infer(self, path: str, headers: dict[str, str]) -> Prepare | None:
        match, sent = _INFER.fullmatch(path), headers.get(_JSON_BYTES)
        json_bytes = int(sent) if sent and _NUMBER.fullmatch(sent) else None
        is_odd = sent is not None and json_bytes is None
        if not match or is_odd or (json_bytes or 0) > self._max_json_bytes:
            return None
        model_id, length = match[1], int(headers["content-length"])
        reads = Format.JSON if json_bytes is None else Format.RAW

        def prepare() -> Answer | None:
            encoder = self._api.encoders.loaded(model_id)
            if not encoder or length > self._max_bytes(encoder, reads=reads, writes=Format.JSON):
                return None

            def read(body: BinaryIO) -> Inference:
                inference = read_inference(body, json_bytes, encoder.features)
                check_row_count(self._api, len(inference.rows), encoder.width)
                return inference

            def encode(inference: Inference, deliver: Deliver) -> None:
                def write(encoded: Encoded) -> Reply:
                    written = write_inference(inference, encoded, name=model_id, version=FIRST_VERSION)
                    headers = (
                        (name.lower().encode(), value.encode()) for name, value in written.headers.items()
                    )
                    return Reply("/v2/models/{model_id}/infer", 200, tuple(headers), written.body)

                self._encode(encoder, inference.rows, write, deliver, with_doubt=inference.with_doubt)

            json_length = length if json_bytes is None else json_bytes
            return _in_two_steps(read, encode, at_once=json_length <= MAX_BYTES_AT_ONCE)

        return prepare

    def _document(self, path: str, fields: Fields) -> Prepare | None:
        match = _DOCUMENT.fullmatch(path)
        if not match:
            return None
        model_id, part = match[1], match[2] or ""
        route = "/v1/models/{model_id}" + ("/{document}" if part else "")
        request = Request({"type": "http", "headers": fields})

        def prepare() -> Answer | None:
            document = self._api.documents.find(model_id, part)
            if not document or not self._api.store.models.directory(model_id).exists():
                return None
            made = document_answer(request, document, {"Cache-Control": IMMUTABLE})
            headers = tuple(header for header in made.raw_headers if header[0] != b"content-length")
            reply = Reply(route, made.status_code, headers, bytes(made.body))

            def answer(_: BinaryIO, deliver: Deliver) -> None:
                # Not at once: requests that came together are all read first, and no answer calls the next.
                asyncio.get_running_loop().call_soon(deliver, reply)

            return answer

        return prepare

    @property
    def _max_json_bytes(self) -> int:
        return min(self._api.settings.max_json_bytes, MAX_JSON_BYTES)

    def _max_bytes(self, encoder: Encoder, *, reads: Format, writes: Format) -> int:
        if reads is Format.JSON:
            return self._max_json_bytes
        limit = min(self._api.settings.max_body_bytes, MAX_BODY_BYTES)
        return min(limit, MAX_ROWS_AS_JSON * 4 * len(encoder.features)) if writes is Format.JSON else limit

    def _encode(
        self,
        encoder: Encoder,
        rows: NDArray[np.float32],
        write: Callable[[Encoded], Reply],
        deliver: Deliver,
        *,
        with_doubt: bool,
    ) -> None:
        started = perf_counter()

        def write_and_deliver(result: Encoded | Exception) -> None:
            reply = None
            with suppress(Exception):  # the route meets it again, and answers for it
                reply = None if isinstance(result, Exception) else write(result)
            seconds = perf_counter() - started
            deliver(reply)
            if reply:
                self._api.telemetry.count_rows(len(rows), seconds)

        self._api.batcher.submit(encoder, rows, write_and_deliver, with_doubt=with_doubt)


def _in_two_steps(
    read: Callable[[BinaryIO], Read], encode: Callable[[Read, Deliver], None], *, at_once: bool
) -> Answer:
    """Read a body and go on, here where that is done at once, else after another thread has read it."""

    def answer(body: BinaryIO, deliver: Deliver) -> None:
        if at_once:
            encode(read(body), deliver)
            return

        def go_on(reading: asyncio.Future[Read]) -> None:
            if reading.exception():
                deliver(None)
            else:
                encode(reading.result(), deliver)

        asyncio.get_running_loop().run_in_executor(None, read, body).add_done_callback(go_on)

    return answer
