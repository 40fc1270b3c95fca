"""Reads in a child process the formats whose libraries crash on, or are blown up by, files made to harm them.

The child may take only so much memory, time and disk, and knows no secrets. It copies the arrays of the file
one after the other into a single scratch file, which is then mapped: one descriptor, however many arrays.
"""

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, BinaryIO, Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.problems import (
    ApiError,
    InvalidError,
    NotParseableError,
    Place,
    TooLargeError,
    UnavailableError,
)
from app.tables.channels.family import ChannelFamily
from app.tables.columns.options import ReadOptions
from app.tables.families import table_of_arrays
from app.tables.readers import arrow_reader
from app.tables.table import LeftOut, Table, TableLimits, Warned, array_blocks

TIME_LIMIT_S = 300  # reading 1 GiB takes seconds
MAX_CHILDREN = 4  # what they may take together is then bounded as well
WAIT_S = 30.0
COPY_BYTES = 1 << 20

Kind = Literal["arrow", "arrow_file", "hdf5", "parquet"]

_room = BoundedSemaphore(MAX_CHILDREN)


def read_hdf5(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    """Read an HDF5 file: one family for each array of numbers, or pair of arrays that belong together.

    Raises:
        NotParseableError: It is not an HDF5 file, or a damaged one.
        InvalidError: It holds no such array, or arrays that differ in their number of rows.
        UnavailableError: Too many such files are being read.
    """
    answer, mapped = _read("hdf5", file, ReadOptions(), limits)
    arrays = {entry["name"]: _view(mapped, entry) for entry in answer["arrays"]}
    table = table_of_arrays(arrays, options, limits)
    left_out, remarks = _notes(answer)
    remarks += tuple(Warned("left_out", f"{c.name!r} is left out: {c.reason}", c.name) for c in left_out)
    return replace(table, left_out=left_out, remarks=(*table.remarks, *remarks))


def read_parquet(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    """Read a Parquet file; null and NaN are missing.

    Raises:
        NotParseableError: It is no Parquet file, or a damaged one.
        InvalidError: Its columns cannot be used, or it holds more than the limits.
        UnavailableError: Too many such files are being read.
    """
    return _read_table("parquet", file, options, limits)


def read_arrow_file(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    """Read an Arrow IPC file, such as Feather; raises what `read_parquet` raises."""
    return _read_table("arrow_file", file, options, limits)


def read_arrow(file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    """Read an Arrow stream: here, or in a child where its cells refer to others; raises the same."""
    if arrow_reader.has_references(file):
        return _read_table("arrow", file, options, limits)
    return arrow_reader.read_arrow(file, options, limits)


def _read_table(kind: Kind, file: BinaryIO, options: ReadOptions, limits: TableLimits) -> Table:
    answer, mapped = _read(kind, file, options, limits)
    arrays = iter([_view(mapped, entry) for entry in answer["arrays"]])
    cells = next(arrays)
    left_out, remarks = _notes(answer)
    return Table(
        columns=tuple(answer["columns"]),
        blocks=array_blocks(cells),
        has_names=True,
        values_of={name: tuple(values) for name, values in answer["values_of"].items()},
        origins=answer["origins"],
        keys={name: _text(next(arrays), next(arrays)) for name in answer["keys"]},
        channels={said["family"]: _channels(said, arrays) for said in answer["channels"]},
        left_out=left_out,
        remarks=remarks,
    )


def _channels(said: dict[str, Any], arrays: Iterator[NDArray[Any]]) -> ChannelFamily:
    values = next(arrays)
    lengths = next(arrays) if said["kind"] == "series" else None
    rows = len(values if lengths is None else lengths)
    shape = None if said["shape"] is None else (said["shape"][0], said["shape"][1])
    return ChannelFamily(said["kind"], tuple(said["channels"]), rows, array_blocks(values), lengths, shape)


def _text(lengths: NDArray[np.int32], characters: NDArray[np.uint8]) -> pa.Array:
    """Put texts together from their lengths (-1: none) and characters."""
    offsets = np.concatenate([[0], np.cumsum(lengths.ravel().clip(min=0), dtype=np.int64)])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(characters))]
    text = pa.Array.from_buffers(pa.large_string(), len(lengths), buffers)
    text.validate(full=True)
    return pc.if_else(pa.array(lengths.ravel() >= 0), text, pa.scalar(None, pa.large_string()))


def _notes(answer: dict[str, Any]) -> tuple[tuple[LeftOut, ...], tuple[Warned, ...]]:
    left_out = tuple(LeftOut(**column) for column in answer["left_out"])
    return left_out, tuple(Warned(**remark) for remark in answer["remarks"])


def _read(
    kind: Kind, file: BinaryIO, options: ReadOptions, limits: TableLimits
) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    with tempfile.TemporaryDirectory(dir=limits.scratch_dir) as scratch:
        target = Path(scratch, "arrays")
        command = [sys.executable, "-m", "app.tables.sandbox.child", kind]
        command += [str(_on_disk(file, Path(scratch))), str(target)]
        command += [orjson.dumps(asdict(limits), default=str).decode()]
        answer = _run(command, kind, options)
        if "errno" in answer:
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        if "refused" in answer:
            raise _refusal(answer)
        # The file stays mapped after the directory is gone.
        size = target.stat().st_size
        return answer, np.memmap(target, np.uint8, "r") if size else np.empty(0, np.uint8)


def _run(command: list[str], kind: str, options: ReadOptions) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CATVQ_")}
    with _turn():
        try:
            ended = subprocess.run(
                command,
                input=options.dump().encode(),
                env=environment,
                capture_output=True,
                timeout=TIME_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotParseableError(
                f"the body is not a file of the kind {kind} that can be read in time"
            ) from None
    if ended.returncode != 0:
        raise NotParseableError(f"the body is not a file of the kind {kind} that can be read")
    answer: dict[str, Any] = orjson.loads(ended.stdout)
    return answer


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for one of the places."""
    if not _room.acquire(timeout=WAIT_S):
        raise UnavailableError("too many files of this kind are being read", code="too_many_uploads")
    try:
        yield
    finally:
        _room.release()


def _refusal(answer: dict[str, Any]) -> ApiError:
    places = [Place(**place) for place in answer["places"]]
    kinds = {kind.status: kind for kind in (InvalidError, NotParseableError, TooLargeError)}
    return kinds[answer["status"]](answer["refused"], places, code=answer["code"])


def _on_disk(file: BinaryIO, scratch: Path) -> Path:
    """Return where a file is, which may so far be in memory only."""
    name = getattr(file, "name", None)
    if isinstance(name, str):
        file.flush()
        return Path(name)
    path = scratch / "upload"
    file.seek(0)
    with path.open("wb") as copy:
        while piece := file.read(COPY_BYTES):
            copy.write(piece)
    return path


def _view(mapped: NDArray[np.uint8], entry: dict[str, Any]) -> NDArray[Any]:
    dtype, shape = np.dtype(entry["dtype"]), entry["shape"]
    size = math.prod(shape) * dtype.itemsize
    start = entry["offset"]
    array: NDArray[Any] = mapped[start : start + size].view(dtype).reshape(shape)
    return array
