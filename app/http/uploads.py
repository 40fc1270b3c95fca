"""Receives a body into a temporary file while hashing it; memory holds only a piece of it."""

import hashlib
import io
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool

from app.http.bounded_route import BoundedRequest

PIECE_BYTES = 1 << 20  # this much is collected before a thread writes it
SHORT_BYTES = 1 << 16
BODY_MEMORY_BYTES = 256 << 20


@dataclass(frozen=True)
class Upload:
    """A complete body; `digest` is its SHA-256."""

    file: BinaryIO
    digest: str
    size_bytes: int


class BodyMemory:
    """The memory that small bodies may share; when it is used up, further ones go into files."""

    def __init__(self, max_bytes: int = BODY_MEMORY_BYTES) -> None:
        self._left = max_bytes

    def take(self, size_bytes: int) -> bool:
        """Reserve memory for a body; False if there is not enough."""
        if size_bytes > self._left:
            return False
        self._left -= size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        """Release reserved memory."""
        self._left += size_bytes


@asynccontextmanager
async def received(
    request: BoundedRequest, directory: Path, *, max_bytes: int, memory_bytes: int = 0
) -> AsyncIterator[Upload]:
    """Receive a whole body.

    Args:
        directory: Holds the temporary file, which is removed at the end.
        max_bytes: Limit on the body.
        memory_bytes: Bodies up to this size stay in memory.

    Raises:
        TooLargeError: The body or its `Content-Length` is larger than the limit.
    """
    request.max_bytes = max_bytes
    memory: BodyMemory = request.app.state.services.body_memory
    if not memory.take(memory_bytes):
        memory_bytes = 0
    digest = hashlib.sha256()
    file: BinaryIO = io.BytesIO() if memory_bytes else _spool(directory)
    try:
        async for piece in _pieces(request):
            if isinstance(file, io.BytesIO) and file.tell() + len(piece) > memory_bytes:
                spool = _spool(directory)
                spool.write(file.getbuffer())
                file = spool
            if isinstance(file, io.BytesIO) and len(piece) <= SHORT_BYTES:
                _append(file, digest, piece)  # faster than waking a thread
            else:
                await run_in_threadpool(_append, file, digest, piece)
        file.flush()
        yield Upload(file, digest.hexdigest(), file.tell())
    finally:
        memory.give_back(memory_bytes)
        # Memory is freed with its last reference: an error on its way up may hold an array that views it.
        if not isinstance(file, io.BytesIO):
            file.close()


async def _pieces(request: BoundedRequest) -> AsyncIterator[bytes]:
    piece = bytearray()
    async for chunk in request.stream():
        piece += chunk
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def _append(file: BinaryIO, digest: "hashlib._Hash", piece: bytes) -> None:
    digest.update(piece)
    file.write(piece)


def _spool(directory: Path) -> BinaryIO:
    return tempfile.NamedTemporaryFile(dir=directory, prefix="upload-")  # type: ignore[return-value]
