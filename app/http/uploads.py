"""Receives a body into a temporary file; memory holds only a piece of it."""

import gzip
import io
import tempfile
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool

from app.formats import Format
from app.http.bounded_route import GZIP, BoundedRequest
from app.http.transfer import body_length
from app.problems import NotParseableError, TooLargeError

PIECE_BYTES = 1 << 20  # this much is collected before a thread writes it
SHORT_BYTES = 1 << 16
GZIP_START = b"\x1f\x8b"
BODY_MEMORY_BYTES = 256 << 20


@dataclass(frozen=True)
class Upload:
    """A complete body, unpacked."""

    file: BinaryIO
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
    """Receive a whole body, and unpack it where it is packed with gzip.

    Args:
        directory: Where the file is, which is removed at the end.
        max_bytes: Limit of the body, also unpacked.
        memory_bytes: Bodies up to this stay in memory.

    Raises:
        TooLargeError: The body is larger than a limit, or says so.
        NotParseableError: It is packed, and damaged.
    """
    request.max_bytes, request.may_be_packed = max_bytes, True
    services = request.app.state.services
    memory: BodyMemory = services.body_memory
    length = body_length(request.scope["headers"])
    if length is not None:
        memory_bytes = min(memory_bytes, length)
    if not memory.take(memory_bytes):
        memory_bytes = 0
    file: BinaryIO = io.BytesIO() if memory_bytes else _spool(directory)
    try:
        async for piece in _pieces(request):
            if isinstance(file, io.BytesIO) and file.tell() + len(piece) > memory_bytes:
                spool = _spool(directory)
                spool.write(file.getbuffer())
                file = spool
            if isinstance(file, io.BytesIO) and len(piece) <= SHORT_BYTES:
                file.write(piece)  # faster than waking a thread
            else:
                await run_in_threadpool(file.write, piece)
        file.flush()
        if _is_packed(request, file):
            packed, file = file, _spool(directory)
            with packed:
                limit = min(max_bytes, services.max_unpacked_bytes(packed.tell()))
                await run_in_threadpool(_unpack, packed, file, limit)
        yield Upload(file, file.tell())
    finally:
        memory.give_back(memory_bytes)
        # Memory is freed with its last reference: an error on its way up may hold an array that views it.
        if not isinstance(file, io.BytesIO):
            file.close()


def _is_packed(request: BoundedRequest, file: BinaryIO) -> bool:
    """Whether a body is said to be packed, or begins so; bare numbers may begin in any way."""
    if request.headers.get("content-encoding", "").strip().lower() == GZIP:
        return True
    if request.headers.get("content-type", "").startswith(Format.RAW.value):
        return False
    size_bytes = file.tell()
    file.seek(0)
    start = file.read(len(GZIP_START))
    file.seek(size_bytes)
    return start == GZIP_START


def _unpack(packed: BinaryIO, file: BinaryIO, limit: int) -> None:
    """Unpack a gzip file piece by piece.

    Raises:
        TooLargeError: It unpacks to more than the limit.
        NotParseableError: It is damaged.
    """
    packed.seek(0)
    try:
        with gzip.GzipFile(fileobj=packed) as source:
            while piece := source.read(PIECE_BYTES):
                file.write(piece)
                if file.tell() > limit:
                    raise TooLargeError(
                        f"the body unpacks to more than {limit} bytes", code="expands_too_much"
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise NotParseableError(f"the body is not a gzip file that can be read: {str(error)[:200]}") from None
    file.flush()


async def _pieces(request: BoundedRequest) -> AsyncIterator[bytes]:
    piece = bytearray()
    async for chunk in request.stream():
        piece += chunk
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def _spool(directory: Path) -> BinaryIO:
    return tempfile.NamedTemporaryFile(dir=directory, prefix="upload-")  # type: ignore[return-value]
