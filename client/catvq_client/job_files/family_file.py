"""Opens HDF5 and NPZ files with one array per family, and selects families."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from catvq_client.errors import CatvqError
from catvq_client.suggestions import did_you_mean

HDF5_SUFFIXES = frozenset({".h5", ".hdf5"})
FAMILY_SUFFIXES = HDF5_SUFFIXES | {".npz"}


@contextmanager
def open_families(path: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Open a file and yield the array [rows, features] of each named family; HDF5 is read lazily.

    In HDF5 a family is the array `NAME` or `features/NAME`, or the only two-dimensional array below either.

    Raises:
        CatvqError: A family is missing, or the file cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in FAMILY_SUFFIXES:
        raise CatvqError(
            f"{path}: families can be selected only in HDF5 or NPZ files; in a flat table, list features"
        )
    if suffix == ".npz":
        with _open_npz(path) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                near = did_you_mean(missing[0], archive.files)
                raise CatvqError(
                    f"{path}: no family {', '.join(missing)}; the file has {', '.join(archive.files)}{near}"
                )
            yield {name: archive[name] for name in names}
        return
    import h5py  # noqa: PLC0415 - only users of HDF5 files need it

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise CatvqError(f"{path}: not a readable HDF5 file ({error})") from error
    with file:
        yield {name: _find_array(file, name, path) for name in names}


def _open_npz(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except ValueError as error:
        raise CatvqError(f"{path}: not a readable NPZ file ({error})") from error


def _find_array(file: Any, name: str, path: Path) -> Any:
    import h5py  # noqa: PLC0415

    for place in (name, f"features/{name}"):
        node = file.get(place)
        if isinstance(node, h5py.Dataset):
            return node
        if node is not None:
            arrays = _tables_below(node)
            if len(arrays) == 1:
                return arrays[0]
            found = ", ".join(array.name for array in arrays) or "none"
            raise CatvqError(f"{path}: family {name} needs exactly one two-dimensional array, found {found}")
    found = ", ".join(file) or "no arrays"
    near = did_you_mean(name, [*file, *(file.get("features") or ())])
    raise CatvqError(f"{path}: no family {name}; the file's top level has {found}{near}")


def _tables_below(group: Any) -> list[Any]:
    import h5py  # noqa: PLC0415

    arrays: list[Any] = []
    group.visititems(
        lambda _, node: arrays.append(node) if isinstance(node, h5py.Dataset) and node.ndim == 2 else None
    )
    return arrays
