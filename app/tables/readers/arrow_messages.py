"""Looks at the messages of an Arrow stream before they are unpacked: a small one may say that it is huge."""

import struct
from collections.abc import Iterator

import pyarrow as pa
from flatbuffers import encode, packer
from flatbuffers.table import Table

from app.problems import InvalidError, NotParseableError

MAX_BATCH_BYTES = 512 << 20  # of compressed batches, which are unpacked in memory as a whole

# Where the format's tables (Message.fbs) keep their fields.
_HEADER, _BUFFERS, _COMPRESSION = 8, 8, 10
_BUFFER = struct.Struct("<qq")  # offset and length
_LENGTH = struct.Struct("<q")  # before the bytes of a compressed buffer: how long they will be
_AS_IT_IS = -1


def read_batches(messages: pa.MessageReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the record batches that follow a schema, each one small and sound.

    Raises:
        InvalidError: A batch unpacks to more than the limit.
        NotParseableError: There is something else than record batches, or something unsound.
    """
    for message in messages:
        if message.type != "record batch":
            raise NotParseableError(f"the body holds an unexpected {message.type}")
        size = _unpacked_bytes(message)
        if size > MAX_BATCH_BYTES:
            raise InvalidError(
                f"a record batch unpacks to {size} bytes; compressed ones may have {MAX_BATCH_BYTES}",
                code="too_large",
            )
        batch = pa.ipc.read_record_batch(message, schema)
        batch.validate(full=True)
        yield batch


def _unpacked_bytes(message: pa.Message) -> int:
    """Return what the buffers of a compressed record batch say they unpack to; 0 for a plain one."""
    head, body = memoryview(message.metadata), memoryview(message.body)
    root = Table(head, encode.Get(packer.uoffset, head, 0))
    batch = Table(head, root.Indirect(root.Pos + root.Offset(_HEADER)))
    if not batch.Offset(_COMPRESSION):
        return 0
    buffers = batch.Offset(_BUFFERS)
    first = batch.Vector(buffers)
    total = 0
    for index in range(batch.VectorLen(buffers)):
        offset, length = _BUFFER.unpack_from(head, first + index * _BUFFER.size)
        if length == 0:
            continue
        if offset < 0 or length < _LENGTH.size or offset + length > len(body):
            raise NotParseableError("a buffer of the body lies outside of it")
        (unpacked,) = _LENGTH.unpack_from(body, offset)
        if unpacked < _AS_IT_IS:
            raise NotParseableError("a buffer of the body says that it unpacks to less than nothing")
        total += length if unpacked == _AS_IT_IS else unpacked
    return total
