"""Reads an upload where it lies, from the place where each reader is."""

import io
from typing import BinaryIO

import pyarrow as pa


def mapped(file: BinaryIO) -> pa.NativeFile:
    """Return a file whose parts are used where they are, without a copy.

    It has a place of its own: Arrow reads ahead in another thread, also a while after nobody wants more, and
    would otherwise move the file under whoever reads it next.
    """
    if isinstance(file, io.BytesIO):
        return pa.BufferReader(file.getvalue())  # its own, so that the file may be closed meanwhile
    file.flush()
    return pa.memory_map(str(file.name))
