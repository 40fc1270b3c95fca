"""Turns files of tables into request bodies."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from zipfile import BadZipFile

from catvq_client.errors import CatvqError
from catvq_client.tables.body import CHUNK_BYTES, CSV, Body, csv_line

ARROW_STREAM, ARROW_FILE = "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"
ARROW_FILE_START = b"ARROW1"
MEDIA_TYPES = {
    ".csv": CSV,
    ".tsv": CSV,
    ".npy": "application/x-npy",
    ".npz": "application/x-npz",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": ARROW_STREAM,
    ".arrows": ARROW_STREAM,
    ".feather": ARROW_FILE,
    ".h5": "application/x-hdf5",
    ".hdf5": "application/x-hdf5",
    ".nc": "application/x-hdf5",
}
WRITTEN = (".csv", ".npy", ".npz", ".parquet", ".arrow", ".arrows", ".h5", ".hdf5")
EXCEL, GZIP = ".xlsx", ".gz"


def file_body(path: Path) -> Body:
    """Choose the body for a file, by its suffix; one of `.gz` is unpacked by the service.

    Raises:
        CatvqError: It cannot be read, or has a suffix of no table that the service reads.
    """
    suffix = (path.with_suffix("") if path.suffix.lower() == GZIP else path).suffix.lower()
    if suffix == EXCEL:
        return _excel_body(path)
    media_type = MEDIA_TYPES.get(suffix)
    if media_type is None:
        kinds = ", ".join(sorted([*MEDIA_TYPES, EXCEL]))
        raise CatvqError(
            f"{path}: unknown kind of file; the service reads {kinds}, all but {EXCEL} also with {GZIP}"
        )
    if media_type == ARROW_STREAM and _starts_with(path, ARROW_FILE_START):
        media_type = ARROW_FILE

    def chunks() -> Iterator[bytes]:
        with _readable(path), path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    with _readable(path), path.open("rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
    return Body(media_type, chunks, size_bytes, {"delimiter": "tab"} if suffix == ".tsv" else {})


def written_type(path: Path) -> str:
    """Return the media type that the service writes into a file, by its suffix.

    Raises:
        CatvqError: It writes no such files.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITTEN:
        raise CatvqError(f"{path}: unknown kind of file; datasets are written as {', '.join(WRITTEN)}")
    return MEDIA_TYPES[suffix]


def _starts_with(path: Path, start: bytes) -> bool:
    with _readable(path), path.open("rb") as file:
        return file.read(len(start)) == start


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Name the file in the error if the block cannot read it."""
    try:
        yield
    except OSError as error:
        raise CatvqError(f"{path}: {error.strerror or error}") from error
    except (BadZipFile, KeyError, ValueError) as error:  # of a workbook that is none
        raise CatvqError(f"{path}: not a readable file ({error})") from error


def _excel_body(path: Path) -> Body:
    """Write the first sheet of a workbook as CSV.

    Raises:
        CatvqError: openpyxl is not installed.
    """
    try:
        openpyxl = import_module("openpyxl")
    except ImportError as error:
        raise CatvqError(f"{path}: install openpyxl to read it, or save it as CSV") from error

    def chunks() -> Iterator[bytes]:
        with _readable(path):
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            for row in book.worksheets[0].iter_rows(values_only=True):
                yield csv_line(row)
            book.close()

    return Body(CSV, chunks)
