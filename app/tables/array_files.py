"""Writes datasets as NPZ and HDF5: an array for each family, those of series and grids too.

Shapes: N rows, F features of a family.
"""

import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from app.formats import Format
from app.problems import InvalidError, Place
from app.tables.stream_rows import cut
from app.tables.write import npy_header

KEYS, TOKENS = "keys", "tokens"  # groups of an HDF5 file
NAMES = "feature_names"
VERSIONS = ("v108", "v110")  # of HDF5: older ones limit the names of a family to 64 KiB
CODES = np.dtype("<i4")
NUL = "\ufffd"  # in place of the one character that HDF5's text cannot hold
MIXED = "mixed"  # in place of a family, where a category has features of several


@dataclass(frozen=True)
class WrittenArray:
    """An array to be written, whose values come in parts of some rows.

    Args:
        name: Its path in the file.
        attributes: What HDF5 says of it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    parts: Iterator[NDArray[Any]]
    attributes: Mapping[str, Any] = field(default_factory=dict)


def open_array_file(
    arrays: Sequence[WrittenArray],
    keys: Mapping[str, Sequence[str | None]],
    file_format: Format,
    directory: Path,
) -> BinaryIO:
    """Write a file without a name, to be read from its beginning.

    Args:
        arrays: In their order.
        keys: Columns of text, which only HDF5 has; missing ones are empty.
        directory: Where the file is; it is gone once it is closed.

    Raises:
        InvalidError: The names cannot stand beside each other.
        OSError: The disk is full.
    """
    _check_paths([*(each.name for each in arrays), *(f"{KEYS}/{name}" for name in keys)])
    file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - whoever reads it closes it
    try:
        if hasattr(os, "posix_fallocate"):  # a full disk is then known before anything is written
            size_bytes = sum(prod(each.shape) * each.dtype.itemsize for each in arrays)
            os.posix_fallocate(file.fileno(), 0, size_bytes + 1)
            file.truncate(0)
        if file_format is Format.HDF5:
            _write_hdf5(file, arrays, keys)
        else:
            _write_npz(file, arrays)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _write_npz(file: BinaryIO, arrays: Sequence[WrittenArray]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for each in arrays:
            with archive.open(f"{each.name}.npy", "w", force_zip64=True) as member:
                member.write(npy_header(each.dtype.str, each.shape))
                for part in each.parts:
                    member.write(np.ascontiguousarray(part, each.dtype).data)


def _write_hdf5(
    file: BinaryIO, arrays: Sequence[WrittenArray], keys: Mapping[str, Sequence[str | None]]
) -> None:
    with h5py.File(file, "w", libver=VERSIONS, track_order=True) as target:
        for each in arrays:
            written = target.create_dataset(each.name, each.shape, each.dtype)
            start = 0
            for part in each.parts:
                written[start : start + len(part)] = part
                start += len(part)
            written.attrs.update(each.attributes)
        for name, cells in keys.items():
            target[f"{KEYS}/{name}"] = _texts([(cell or "").replace("\0", NUL) for cell in cells])


def _check_paths(names: Sequence[str]) -> None:
    """Check that names can stand beside each other in a file."""
    taken, seen = set(names), set[str]()
    for name in names:
        steps = name.split("/")
        is_path = not {"", ".", ".."} & set(steps) and name not in seen
        seen.add(name)
        if not is_path or any("/".join(steps[:end]) in taken for end in range(1, len(steps))):
            detail = (
                f"there is no place for {name!r} beside the other arrays of such a file; take another format"
            )
            raise InvalidError(detail, [Place(detail=detail, field=name)], code="name_not_in_format")


def _texts(texts: Sequence[str]) -> NDArray[Any]:
    return np.array(texts, h5py.string_dtype())


def table_arrays(
    values: NDArray[Any], features: Sequence[str], families: Mapping[str, Sequence[str]]
) -> list[WrittenArray]:
    """Return an array [N, F] for each family of a table, N x all of its features."""
    column = {name: place for place, name in enumerate(features)}
    return [
        WrittenArray(
            family,
            (len(values), len(own)),
            values.dtype,
            map(partial(np.take, indices=[column[name] for name in own], axis=1), cut(values, len(features))),
            {NAMES: _texts(own)},
        )
        for family, own in families.items()
        if own and own[0] in column
    ]


def code_arrays(
    values: NDArray[Any], features: Sequence[str], columns: Mapping[str, Mapping[str, Any]]
) -> list[WrittenArray]:
    """Return an array [N] for each category and level of a dataset of codes, [N, codes].

    Args:
        features: Names of the codes, `category.level`.
        columns: What is known of each: `codebook_size` and `coded_families`.
    """
    found = []
    for place, code in enumerate(features):
        category, _, level = code.rpartition(".")
        families, size = columns[code]["coded_families"], columns[code]["codebook_size"]
        family = families[0] if len(families) == 1 else MIXED
        name = f"{family}_{category}_L{level}".replace("/", "_")
        said = {
            "category": category,
            "families": _texts(families),
            "level": int(level),
            "codebook_size": size,
        }
        parts = map(partial(np.take, indices=place, axis=1), cut(values, len(features)))
        found.append(WrittenArray(f"{TOKENS}/{name}", (len(values),), CODES, parts, said))
    return found


def channel_arrays(
    kind: Mapping[str, Any], values: NDArray[Any], offsets: NDArray[np.int64] | None
) -> list[WrittenArray]:
    """Return the arrays of a family of grids, or the pair of one of series.

    Args:
        kind: Family and channels.
        values: As the service keeps them.
        offsets: Where each row of a series begins and ends.
    """
    family, said = kind["family"], {NAMES: _texts(kind["channels"])}
    parts = cut(values, max(1, prod(values.shape[1:])))
    if offsets is None:
        return [WrittenArray(family, values.shape, values.dtype, parts, said)]
    return [
        WrittenArray(f"{family}.values", values.shape, values.dtype, parts, said),
        WrittenArray(f"{family}.offsets", offsets.shape, offsets.dtype, cut(offsets, 1)),
    ]
