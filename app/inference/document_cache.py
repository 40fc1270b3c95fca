"""LRU cache of immutable documents about models, plain and compressed."""

import gzip
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

from starlette.requests import Request
from starlette.responses import Response

from app.http.conditional import is_known, not_modified, strong_tag

WORTH_COMPRESSING = 1024  # bytes; smaller bodies fit into one packet anyway
COMPRESSED_MEDIA_TYPES = ("application/json", "image/svg", "text/")  # binary numbers hardly shrink


@dataclass(frozen=True)
class Document:
    """A body, and its gzip form if that is worth it."""

    body: bytes
    media_type: str
    tag: str
    compressed: bytes | None = None

    @classmethod
    def make(cls, body: bytes, media_type: str) -> "Document":
        """Tag and compress a body."""
        pays = media_type.startswith(COMPRESSED_MEDIA_TYPES) and len(body) >= WORTH_COMPRESSING
        return cls(body, media_type, strong_tag(body), gzip.compress(body, mtime=0) if pays else None)

    @property
    def size_bytes(self) -> int:
        """Size in memory, both forms together."""
        return len(self.body) + len(self.compressed or b"")


class DocumentCache:
    """Documents by model and part; the least recently used is dropped first.

    Args:
        max_bytes: Limit on all bodies together; a larger document is not cached.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._documents: OrderedDict[tuple[str, str], Document] = OrderedDict()
        self._size_bytes = 0

    def find(self, model_id: str, part: str) -> Document | None:
        """Return a cached document, None if there is none."""
        with self._lock:
            document = self._documents.get((model_id, part))
            if document is not None:
                self._documents.move_to_end((model_id, part))
            return document

    def get(self, model_id: str, part: str, media_type: str, make: Callable[[], bytes]) -> Document:
        """Return a document from the cache, or make and cache it."""
        document = self.find(model_id, part)
        if document is None:
            document = Document.make(make(), media_type)
            self._keep((model_id, part), document)
        return document

    def drop(self, model_id: str) -> None:
        """Remove the documents of a deleted model."""
        with self._lock:
            for key in [key for key in self._documents if key[0] == model_id]:
                self._size_bytes -= self._documents.pop(key).size_bytes

    def _keep(self, key: tuple[str, str], document: Document) -> None:
        if document.size_bytes > self._max_bytes:
            return
        with self._lock:
            earlier = self._documents.pop(key, None)
            self._documents[key] = document
            self._size_bytes += document.size_bytes - (earlier.size_bytes if earlier else 0)
            while self._size_bytes > self._max_bytes:
                _, dropped = self._documents.popitem(last=False)
                self._size_bytes -= dropped.size_bytes


def document_answer(request: Request, document: Document, headers: Mapping[str, str]) -> Response:
    """Answer with a document, compressed if the client accepts gzip, or with 304 if its tag matches."""
    body, tag = document.body, document.tag
    complete = dict(headers)
    if document.compressed is not None:
        complete["Vary"] = ", ".join(filter(None, [headers.get("Vary"), "Accept-Encoding"]))
        if _takes_gzip(request.headers.get("accept-encoding", "")):
            body, tag = document.compressed, f'{tag[:-1]}-gzip"'
            complete["Content-Encoding"] = "gzip"
    complete["ETag"] = tag
    if is_known(request, tag):
        complete.pop("Content-Encoding", None)
        return not_modified(complete)
    return Response(body, 200, complete, document.media_type)


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
