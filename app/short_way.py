"""The short way: requests with nothing to negotiate go past the framework.

They are answered exactly as the documented routes do. Those get every request that has an alias, a query, a
format of tables, a body of unknown or great length, or anything else out of the ordinary, and every one
that is to be refused.
"""

import asyncio
import io
import re
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.types import Scope

from app.access import StaleKeysError
from app.caching import IMMUTABLE
from app.dependencies import Services
from app.documents import document_answer
from app.encoder import Encoded, Encoder
from app.encoding import CODES_ONLY, answer_of, check_row_count, read_rows
from app.errors import ApiError
from app.inference import FIRST_VERSION, JSON_BYTES_HEADER, read_inference, write_inference
from app.media import Format
from app.tables.writing import write_answer, write_array

MAX_BODY_BYTES = 8 << 20  # what may lie in memory; larger bodies are worth a file
# The event loop does nothing else while it reads and writes: of these, for at most some milliseconds.
MAX_JSON_BYTES = 1 << 18
MAX_ROWS_AS_JSON = 5000
_FORMATS = {option.value: option for option in (Format.JSON, *CODES_ONLY)}
_JSON_BYTES = JSON_BYTES_HEADER.lower()
_UNCOMMON = {"content-encoding", "transfer-encoding", "expect"}
_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_ENCODINGS = re.compile(r"/v1/models/([A-Za-z0-9._-]{1,200})/encodings", re.ASCII)
_INFER = re.compile(r"/v2/models/([A-Za-z0-9._-]{1,200})/infer", re.ASCII)
_DOCUMENT = re.compile(r"/v1/models/([A-Za-z0-9._-]{1,200})(?:/(grouping|codebook|report))?", re.ASCII)


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
Answer: TypeAlias = Callable[[bytes, Deliver], None]
"""Takes a request's body, and delivers its answer later, or None where the documented route is to answer.

Raises:
    ApiError: The route is to refuse the request.
"""


class ShortWay:
    """Answers `POST` of rows in binary or JSON, and `GET` of a model's documents once they are known."""

    def __init__(self, api: Services) -> None:
        self._api = api

    def find(self, scope: Scope) -> Answer | None:
        """Return what answers a request whose every particular is a common one, once it has come in.

        Its scope knows the key that it came in by then, as behind the gate.
        """
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["query_string"] or len(headers) < len(scope["headers"]) or not _UNCOMMON.isdisjoint(headers):
            return None
        answer = None
        try:
            if scope["method"] == "POST":
                path = scope["path"]
                answer = self._find_encodings(path, headers) or self._find_infer(path, headers)
            elif scope["method"] == "GET" and "content-length" not in headers:
                answer = self._find_document(scope)
            if answer:
                scope["state"]["key"] = self._api.admission.admit_at_once(scope, headers)
        except (ApiError, StaleKeysError, OSError):
            return None
        return answer

    def count(self, scope: Scope, reply: Reply, seconds: float) -> None:
        """Count a request that was answered."""
        self._api.telemetry.count_request(scope["method"], reply.route, reply.status, seconds)

    def _find_encodings(self, path: str, headers: dict[str, str]) -> Answer | None:
        match = _ENCODINGS.fullmatch(path)
        sent, accepted = _FORMATS.get(headers.get("content-type", "")), headers.get("accept", "*/*")
        asked = Format.JSON if accepted == "*/*" else _FORMATS.get(accepted)
        if not match or not sent or not asked:
            return None
        model_id, encoder = match[1], self._api.encoders.loaded(match[1])
        if not encoder or not self._is_short(headers, encoder, reads=sent, writes=asked):
            return None

        def write(encoded: Encoded) -> Reply:
            body = (
                write_array(encoded.codes, asked)
                if asked in CODES_ONLY
                else write_answer(answer_of(model_id, encoder, encoded), asked)
            )
            headers = ((b"content-type", asked.value.encode()), (b"vary", b"Accept"))
            return Reply("/v1/models/{model_id}/encodings", 200, headers, body)

        def answer(body: bytes, deliver: Deliver) -> None:
            rows = read_rows(self._api, encoder, io.BytesIO(body), sent)
            self._encode(encoder, rows, write, deliver, with_doubt=asked not in CODES_ONLY)

        return answer

    def _find_infer(self, path: str, headers: dict[str, str]) -> Answer | None:
        match, sent = _INFER.fullmatch(path), headers.get(_JSON_BYTES)
        json_bytes = int(sent) if sent and _NUMBER.fullmatch(sent) else None
        is_odd = sent is not None and json_bytes is None
        if not match or is_odd or (json_bytes or 0) > self._max_json_bytes:
            return None
        model_id, encoder = match[1], self._api.encoders.loaded(match[1])
        reads = Format.JSON if json_bytes is None else Format.RAW
        if not encoder or not self._is_short(headers, encoder, reads=reads, writes=Format.JSON):
            return None

        def answer(body: bytes, deliver: Deliver) -> None:
            inference = read_inference(io.BytesIO(body), json_bytes, encoder.features)
            check_row_count(self._api, len(inference.rows))

            def write(encoded: Encoded) -> Reply:
                written = write_inference(inference, encoded, name=model_id, version=FIRST_VERSION)
                headers = ((name.lower().encode(), value.encode()) for name, value in written.headers.items())
                return Reply("/v2/models/{model_id}/infer", 200, tuple(headers), written.body)

            self._encode(encoder, inference.rows, write, deliver, with_doubt=inference.with_doubt)

        return answer

    def _find_document(self, scope: Scope) -> Answer | None:
        match = _DOCUMENT.fullmatch(scope["path"])
        document = match and self._api.documents.find(match[1], match[2] or "")
        if not match or not document or not self._api.store.models.directory(match[1]).exists():
            return None
        made = document_answer(Request(scope), document, {"Cache-Control": IMMUTABLE})
        route = "/v1/models/{model_id}" + ("/{document}" if match[2] else "")
        headers = tuple(header for header in made.raw_headers if header[0] != b"content-length")
        reply = Reply(route, made.status_code, headers, bytes(made.body))

        def answer(_: bytes, deliver: Deliver) -> None:
            # Not at once: requests that came together are all read first, and no answer calls the next.
            asyncio.get_running_loop().call_soon(deliver, reply)

        return answer

    @property
    def _max_json_bytes(self) -> int:
        return min(self._api.settings.max_json_bytes, MAX_JSON_BYTES)

    def _is_short(self, headers: dict[str, str], encoder: Encoder, *, reads: Format, writes: Format) -> bool:
        settings, length = self._api.settings, headers.get("content-length", "")
        limit = min(settings.max_body_bytes, MAX_BODY_BYTES)
        if reads is Format.JSON:
            limit = self._max_json_bytes
        elif writes is Format.JSON:
            limit = min(limit, MAX_ROWS_AS_JSON * 4 * len(encoder.features))
        return bool(_NUMBER.fullmatch(length)) and int(length) <= limit

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
