"""Tables in every format, and what is left of them after somebody meddled with their bytes."""

import io
import json
import random
import re
import struct

import h5py
import numpy as np
import pyarrow as pa
from pyarrow import ipc, parquet

ROWS = np.array([[1.5, -2, np.nan], [0, 1e-3, 7], [3, 4e30, -5], [0.25, 8, 9]])
TABLE = pa.table({name: ROWS[:, column] for column, name in enumerate("abc")})
WHOLE = pa.table({"a": pa.array([1, 2, 3]), "b": pa.array([True, None, False])}).combine_chunks()
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 1 << 31, (1 << 31) - 1, 1 << 62, (1 << 63) - 1, (1 << 64) - 1)
NUMBERS = (
    b"1e999",
    b"-1e999",
    b"NaN",
    b"Infinity",
    b"99999999999999999999",
    b"0x10",
    b"1_0",
    b"",
    b"''",
    b"null",
)
PIECES = (
    b"\0",
    b"\xff\xfe",
    b'"',
    b",",
    b"\n",
    b"\r",
    b"[" * 5000,
    b"{" * 2000,
    b"../" * 20,
    b"\x1f\x8b\x08",
    b"\x89HDF",
)


def as_npy(array):
    body = io.BytesIO()
    np.save(body, array)
    return body.getvalue()


def as_npz(save, **arrays):
    body = io.BytesIO()
    save(body, **arrays)
    return body.getvalue()


def as_arrow(table, compression):
    body = io.BytesIO()
    with ipc.new_stream(body, table.schema, options=ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=2)
    return body.getvalue()


def as_parquet(table, **options):
    body = io.BytesIO()
    parquet.write_table(table, body, **options)
    return body.getvalue()


def as_hdf5(**options):
    body = io.BytesIO()
    with h5py.File(body, "w") as file:
        file.create_dataset("pixels", data=ROWS[:, :2], **options)
        file.create_dataset("tones", data=ROWS[:, 2:].astype("f4"), **options)
    return body.getvalue()


# By media type: sound files, which the service takes.
SOUND = {
    "text/csv": [
        b"a,b,c\n1.5,-2,\n0,1e-3,7\n3,4e30,-5\n",
        b'"a","b ""x""",c\r\n"1",nan,3\r\n4,5,6\r\n',
        b"\xef\xbb\xbfa,b\n" + b"1,2\n3,4\n" * 50,
    ],
    "application/json": [
        json.dumps({"rows": [[1.5, -2, None], [0, 1e-3, 7]]}).encode(),
        json.dumps({"columns": ["a", "b"], "rows": [[1, 2], [3, 4]] * 20}).encode(),
    ],
    "application/x-npy": [
        as_npy(ROWS),
        as_npy(ROWS.astype(np.float32)),
        as_npy(np.asfortranarray(ROWS)),
        as_npy(np.arange(12, dtype=np.uint8).reshape(4, 3)),
    ],
    "application/x-npz": [
        as_npz(np.savez, pixels=ROWS, tones=ROWS[:, :1]),
        as_npz(np.savez_compressed, pixels=ROWS, tones=np.arange(4.0)[:, np.newaxis]),
    ],
    "application/vnd.apache.arrow.stream": [as_arrow(TABLE, kind) for kind in (None, "lz4", "zstd")]
    + [as_arrow(WHOLE, None)],
    "application/vnd.apache.parquet": [
        as_parquet(TABLE),
        as_parquet(TABLE, compression="zstd", row_group_size=2, use_dictionary=False),
        as_parquet(WHOLE, compression="none", data_page_version="2.0"),
    ],
    "application/x-hdf5": [
        as_hdf5(),
        as_hdf5(chunks=(2, 1), compression="gzip", shuffle=True),
        as_hdf5(chunks=(4, 1), fletcher32=True),
    ],
}


def damaged(media_type: str, generator: random.Random) -> bytes:
    """A file of this type that one to three accidents happened to."""
    body = generator.choice(SOUND[media_type])
    for _ in range(generator.randint(1, 3)):
        body = generator.choice(ACCIDENTS)(body, generator)
    return body


def flip_bits(body, generator):
    changed = bytearray(body)
    for _ in range(generator.randint(1, 8) if body else 0):
        changed[generator.randrange(len(body))] ^= 1 << generator.randrange(8)
    return bytes(changed)


def cut_off(body, generator):
    return body[: generator.randint(0, len(body))]


def cut_out(body, generator):
    start, end = sorted(generator.randint(0, len(body)) for _ in range(2))
    return body[:start] + body[end:]


def repeat_a_part(body, generator):
    start, end = sorted(generator.randint(0, len(body)) for _ in range(2))
    return body[:end] + body[start:end] * generator.randint(1, 20) + body[end:]


def put_a_number_in(body, generator):
    """Overwrite what may be a length or an offset with a number at some edge, in either byte order."""
    width, order = generator.choice("BHIQ"), generator.choice("<>")
    size = struct.calcsize(width)
    number = struct.pack(order + width, generator.choice(EXTREMES) % (1 << (8 * size)))
    start = generator.randint(0, max(0, len(body) - size))
    return body[:start] + number + body[start + size :]


def rewrite_a_number(body, generator):
    """Replace a number that is written in digits."""
    places = [match.span() for match in re.finditer(rb"-?\d+(?:\.\d+)?", body)]
    if not places:
        return body
    start, end = generator.choice(places)
    return body[:start] + generator.choice(NUMBERS) + body[end:]


def put_a_piece_in(body, generator):
    start = generator.randint(0, len(body))
    return body[:start] + generator.choice(PIECES) + body[start:]


def put_noise_in(body, generator):
    start = generator.randint(0, len(body))
    noise = generator.randbytes(generator.randint(1, 64))
    return body[:start] + noise + body[start + len(noise) :]


def cross(body, generator):
    """Go on as another file, of whatever type."""
    other = generator.choice(generator.choice(list(SOUND.values())))
    return body[: generator.randint(0, len(body))] + other[generator.randint(0, len(other)) :]


ACCIDENTS = (
    flip_bits,
    cut_off,
    cut_out,
    repeat_a_part,
    put_a_number_in,
    rewrite_a_number,
    put_a_piece_in,
    put_noise_in,
    cross,
)
