"""Reads NPY and NPZ: arrays without names; a pickled one is refused unread."""

import io
import math
import mmap
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from app.problems import InvalidError, NotParseableError, Place
from app.tables.columns.options import ReadOptions
from app.tables.families import table_of_arrays
from app.tables.table import (
    Table,
    TableLimits,
    array_blocks,
    check_number_type,
    check_width,
    expands_too_much,
    numbered,
)

MAX_FAMILIES = 1000
MAX_DIRECTORY_BYTES = 1 << 20  # the list of members of a zip file, which is read as a whole
_HEADER_START = struct.Struct("<6sBBH")
_END_OF_DIRECTORY = struct.Struct("<4s4H2LH")
MAX_HEADER_BYTES = 1 << 14  # of an NPY file; numpy reads none that is longer than 10,000 bytes
ALIGNMENT = 64
_COPY_BYTES = 1 << 20
_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npy(file: BinaryIO, limits: TableLimits) -> Table:
    """Read an NPY file, [rows, features] or [rows].

    Raises:
        NotParseableError: It is not an NPY file, or a damaged or pickled one.
        InvalidError: It does not hold a matrix of real numbers.
    """
    matrix = read_matrix(file)
    check_width(matrix.shape[1], limits)
    return Table(columns=numbered(matrix.shape[1]), blocks=array_blocks(matrix), has_names=False)


def read_matrix(file: BinaryIO) -> NDArray[Any]:
    """Read an NPY file as it is; raises what `read_npy` raises."""
    array = _open_array(_bytes_of(file), "the body", "rows")
    check_number_type(array.dtype)
    if array.ndim not in {1, 2}:
        detail = f"the array has {array.ndim} dimensions; it needs two: rows and features"
        raise InvalidError(detail, [Place(detail=detail, field="rows")], code="not_a_matrix")
    return array[:, np.newaxis] if array.ndim == 1 else array


def read_raw(file: BinaryIO, width: int) -> NDArray[np.float32]:
    """Read little-endian float32 rows of a known width, without any header.

    Raises:
        InvalidError: The bytes are not whole rows.
    """
    body = _bytes_of(file)
    if len(body) % (4 * width):
        detail = f"{len(body)} bytes are not whole rows of {width} single floats"
        raise InvalidError(detail, [Place(detail=detail, field="rows")], code="wrong_width")
    return np.frombuffer(body, "<f4").reshape(-1, width)


def read_npz(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    """Read an NPZ file: one family for each array, or pair of arrays that belong together.

    Raises:
        NotParseableError: It is not an NPZ file, or holds something damaged or pickled.
        InvalidError: Its arrays cannot be put side by side.
        TooLargeError: It unpacks to more than the limit.
    """
    _check_directory(file)
    # The members one after the other in one file: one descriptor, however many there are. The mapping stays
    # when the file, which has no name, is closed.
    with tempfile.TemporaryFile(dir=limits.scratch_dir) as unpacked:
        places = _unpack_all(file, unpacked, limits)
        unpacked.flush()
        body = _bytes_of(unpacked)
    arrays = {name: _open_array(body[place], f"the array {name!r}", name) for name, place in places.items()}
    return table_of_arrays(arrays, options, limits)


def _bytes_of(file: IO[bytes]) -> memoryview:
    """View a file's bytes without a copy."""
    if isinstance(file, io.BytesIO):
        return file.getbuffer()
    if not file.seek(0, io.SEEK_END):
        return memoryview(b"")
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _open_array(body: memoryview, name: str, field: str) -> NDArray[Any]:
    """View the array in an NPY file, unless it would need unpickling."""
    header = _read_header(body, name, field)
    shape, dtype = header.shape, header.dtype
    if dtype.hasobject:
        detail = "it holds Python objects; save numbers, and send text as columns of CSV, Arrow or Parquet"
        place = Place(detail=detail, field=field)
        raise NotParseableError(f"{name} is pickled, which is never read: {detail}", [place], code="pickled")
    count = math.prod(shape)
    surplus = len(body) - header.size - count * dtype.itemsize
    if surplus > 0:
        raise _damaged(f"{name} is followed by {surplus} bytes that do not belong to it", field)
    if surplus < 0:
        raise _damaged(f"{name} is damaged: {-surplus} bytes of it are missing", field)
    try:
        if count == 0 or dtype.itemsize == 0:
            return np.empty(shape, dtype)
        flat = np.frombuffer(body, dtype, count, header.size)
        return flat.reshape(shape, order="F" if header.is_fortran else "C")
    except ValueError as error:
        raise _damaged(f"{name} is damaged: {str(error)[:200]}", field) from None


def _damaged(detail: str, field: str) -> NotParseableError:
    return NotParseableError(detail, [Place(detail="damaged", field=field)])


def _read_header(body: memoryview, name: str, field: str) -> "_Header":
    try:
        header = _parse_header(bytes(body[: _header_size(body)]))
    except Exception as error:  # noqa: BLE001 - numpy lets the errors of Python's parser and tokenizer out
        detail = f"{name} is not an NPY file that can be read: {str(error)[:200]}"
        raise _damaged(detail, field) from None
    if any(length < 0 for length in header.shape):
        raise _damaged(f"{name} says that its shape is {header.shape}", field)
    return header


def _header_size(body: memoryview) -> int:
    """How long a header says that it is; files of the second version are rare, and read generously."""
    is_short = bytes(body[6:7]) == b"\x01" and len(body) >= _HEADER_START.size
    return _HEADER_START.size + _HEADER_START.unpack_from(body)[-1] if is_short else MAX_HEADER_BYTES


@dataclass(frozen=True)
class _Header:
    """What an NPY file says of its array, and where the array begins."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]
    size: int


@lru_cache(maxsize=256)
def _parse_header(head: bytes) -> _Header:
    """Parse a header; to run Python's parser over the same one in every request would take its time."""
    file = io.BytesIO(head)
    read = _HEADER_READERS[np.lib.format.read_magic(file)]
    return _Header(*read(file), size=file.tell())


def _check_directory(file: BinaryIO) -> None:
    """Refuse a zip file whose list of members is absurd, before anything reads that list."""
    end = file.seek(0, io.SEEK_END)
    start = max(0, end - _END_OF_DIRECTORY.size - 0xFFFF)
    file.seek(start)
    tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or place + _END_OF_DIRECTORY.size > len(tail):
        raise NotParseableError("the body is not an NPZ file")
    *_, members, size, _, _ = _END_OF_DIRECTORY.unpack_from(tail, place)
    is_zip64 = tail[max(0, place - 20) :].startswith(b"PK\x06\x07")
    if members > MAX_FAMILIES or size > MAX_DIRECTORY_BYTES or is_zip64:
        raise InvalidError(f"the file holds more than {MAX_FAMILIES} arrays", code="too_many_families")
    file.seek(0)


def _unpack_all(file: BinaryIO, target: IO[bytes], limits: TableLimits) -> dict[str, slice]:
    """Unpack every member of a zip file; return where each one is."""
    room = limits.max_expanded_bytes
    places: dict[str, slice] = {}
    with _readable_zip(), zipfile.ZipFile(file) as archive:
        if len(archive.infolist()) > MAX_FAMILIES:  # the end of the list may have said less
            raise InvalidError(f"the file holds more than {MAX_FAMILIES} arrays", code="too_many_families")
        for member in archive.infolist():
            name = str(PurePosixPath(member.filename).with_suffix(""))
            if name in places:
                fault = Place(detail="there twice", field=name)
                raise InvalidError(
                    f"the file holds the array {name!r} twice", [fault], code="duplicate_family"
                )
            start = target.tell()
            for block in _unpacked(archive, member):
                room -= len(block)
                if room < 0:
                    raise expands_too_much(limits)
                target.write(block)
            places[name] = slice(start, target.tell())
            target.write(bytes(-target.tell() % ALIGNMENT))
    return places


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield one member in blocks, as they really come out."""
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise NotParseableError("the file is compressed in another way than numpy's savez does")
    with archive.open(member) as source:
        while block := source.read(_COPY_BYTES):
            yield block


@contextmanager
def _readable_zip() -> Iterator[None]:
    """Turn complaints about a zip file into the API's."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        RuntimeError,
        NotImplementedError,
        EOFError,
        OSError,
        ValueError,
        zlib.error,
    ) as error:
        raise NotParseableError(f"the body is not an NPZ file that can be read: {str(error)[:200]}") from None
