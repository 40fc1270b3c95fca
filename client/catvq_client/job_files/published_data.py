"""Reads HDF5 files in the published layout: tables, series and fields below `/features` and `/inputs`."""

import fnmatch
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from catvq_client.errors import CatvqError
from catvq_client.job_files.run_file import PublishedData
from catvq_client.suggestions import did_you_mean

Array = npt.NDArray[Any]

FIELDS = "inputs/fields"
LENGTHS = "lengths"  # beside a series: how many steps of each row count
REGISTRY, NAMES = "feature_registry", "feature_names"
# Where a family's array is, the preferred place first. Vectors of parameters have a place of their own.
PLACES = ("{0}", "features/{0}", "features/{0}/features", "features/{0}/aggregated/features")
REALIZATIONS = "features/{0}/per_trajectory/features"
PARAMETERS = {"architecture": ("parameters/vectors", "parameters/params")}
MIN_DIMENSIONS = 2  # of what may be a family
FIELDS_SUFFIX = "_fields"


@dataclass
class PublishedTable:
    """What was read of a file.

    Args:
        arrays: By family [rows, features], [rows, steps, channels] or [rows, channels, height, width].
        names: Of features or channels, by family, where the file has them.
        notes: What was chosen, averaged or left out.
    """

    arrays: dict[str, Array] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def columns(self) -> list[str] | None:
        """Names of all columns of tables, if the file names some of them."""
        tables = {name: array for name, array in self.arrays.items() if array.ndim == 2}
        if not self.names.keys() & tables.keys():
            return None
        return [
            f"{family}_{name}"
            for family, array in tables.items()
            for name in self.names.get(family, map(str, range(array.shape[1])))
        ]

    @property
    def channels(self) -> dict[str, list[str]]:
        """Names of the channels of series and grids."""
        return {name: own for name, own in self.names.items() if self.arrays[name].ndim > 2}


def read_published(path: Path, wanted: PublishedData) -> PublishedTable:
    """Read the families of a file.

    A family is the array `NAME`, `features/NAME`, `features/NAME/features`,
    `features/NAME/aggregated/features` or `features/NAME/per_trajectory/features` (the mean over its second
    dimension), or what its setting `path` says. A family with a hybrid encoder has also the fields of the
    inputs, as the family `NAME_fields`. One with an image encoder has nothing else.

    Raises:
        CatvqError: The file cannot be read, or a family is not there.
    """
    import h5py  # noqa: PLC0415 - only users of HDF5 files need it

    found = PublishedTable()
    try:
        with h5py.File(path, "r") as file:
            for family, settings in wanted.families.items():
                _read_family(file, family, settings if isinstance(settings, dict) else {}, wanted, found)
    except OSError as error:
        raise CatvqError(f"{path}: not a readable HDF5 file ({error})") from error
    _exclude(found, wanted.exclude)
    _look_at_rows(found, trim=wanted.trim)
    return found


def _read_family(
    file: Any, family: str, settings: Mapping[str, Any], wanted: PublishedData, found: PublishedTable
) -> None:
    encoder = str(settings.get("encoder") or "").lower()
    place = settings.get("path")
    if place is None and "cnn" in encoder and "temporal" not in encoder and "td" not in encoder:
        place = FIELDS
    place = str(place).strip("/") if place is not None else _place_of(file, family, found)
    _take(file, family, place, wanted, found)
    if "hybrid" in encoder and FIELDS in file:
        _take(file, f"{family}{FIELDS_SUFFIX}", FIELDS, wanted, found)


def _place_of(file: Any, family: str, found: PublishedTable) -> str:
    """Return the path of a family's array."""
    places = [place.format(family) for place in (*PLACES, REALIZATIONS)]
    there: list[str] = [place for place in (*places, *PARAMETERS.get(family, ())) if _is_array(file, place)]
    there = there or _arrays_below(file, family)
    if not there:
        known = [*(file.get("features") or ()), *file]
        near = did_you_mean(family, known)
        raise CatvqError(f"no family {family}; the file has {', '.join(known) or 'no arrays'}{near}")
    if len(there) > 1:
        found.notes.append(
            f"{family}: {there[0]} is taken, not {', '.join(there[1:])}; families.{family}.path chooses"
        )
    return there[0]


def _arrays_below(file: Any, family: str) -> list[str]:
    """Return the paths of all arrays of two dimensions or more below a family's group."""
    found: list[str] = []
    for group in (family, f"features/{family}"):
        if hasattr(node := file.get(group), "visititems"):
            node.visititems(
                lambda name, each, group=group: (
                    found.append(f"{group}/{name}") if getattr(each, "ndim", 0) >= MIN_DIMENSIONS else None
                )
            )
    return found


def _is_array(file: Any, place: str) -> bool:
    return hasattr(file.get(place), "dtype")


def _take(file: Any, family: str, place: str, wanted: PublishedData, found: PublishedTable) -> None:
    node = file.get(place)
    if node is None or not hasattr(node, "dtype"):
        raise CatvqError(f"family {family}: the file has no array {place}")
    array = np.asarray(node[: wanted.max_samples])
    if "per_trajectory" in place and array.ndim == 3:
        found.notes.append(f"{family}: the mean over {array.shape[1]} trajectories of each row")
        array = np.nanmean(array, axis=1)
    if array.ndim == 5:
        found.notes.append(f"{family}: the first of {array.shape[1]} realizations of each row")
        array = array[:, 0]
    found.arrays[family] = array[:, np.newaxis] if array.ndim == 1 else array
    width = array.shape[-1] if array.ndim < 4 else array.shape[1]
    names = _names_of(file, place, width)
    if names is not None:
        found.names[family] = names
    lengths = file.get(f"{place.rpartition('/')[0]}/{LENGTHS}")
    if array.ndim == 3 and hasattr(lengths, "dtype"):
        found.arrays[f"{family}.{LENGTHS}"] = np.asarray(lengths[: wanted.max_samples])


def _names_of(file: Any, place: str, width: int) -> list[str] | None:
    """Return the names from the registry or list of names that stands nearest above an array."""
    while place:
        attributes = file[place].attrs
        if NAMES in attributes:
            return [name.decode() if isinstance(name, bytes) else str(name) for name in attributes[NAMES]]
        if REGISTRY in attributes:
            indices = dict(_flatten(json.loads(attributes[REGISTRY])))
            by_index = {index: name for name, index in indices.items()}
            return [by_index.get(index, str(index)) for index in range(width)]
        place = place.rpartition("/")[0]
    return None


def _flatten(registry: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield name and index of each feature; a registry may be nested by category."""
    for name, index in registry.items():
        if isinstance(index, Mapping):
            yield from _flatten(index)
        elif isinstance(index, int):
            yield name, index


def _exclude(found: PublishedTable, patterns: tuple[str, ...]) -> None:
    for family, names in found.names.items():
        kept = [
            place
            for place, name in enumerate(names)
            if not any(
                fnmatch.fnmatchcase(name, p) or fnmatch.fnmatchcase(f"{family}::{name}", p) for p in patterns
            )
        ]
        if len(kept) < len(names):
            found.notes.append(f"{family}: {len(names) - len(kept)} features are excluded")
            found.names[family] = [names[place] for place in kept]
            axis = 1 if found.arrays[family].ndim in {2, 4} else 2
            found.arrays[family] = np.take(found.arrays[family], kept, axis=axis)


def _look_at_rows(found: PublishedTable, *, trim: bool) -> None:
    """Tell of rows that were never written, or are there again; leave them out where asked."""
    rows = {len(array) for array in found.arrays.values()}
    if len(rows) != 1:
        sizes = ", ".join(f"{name} {len(array)}" for name, array in found.arrays.items())
        raise CatvqError(f"the families differ in their number of rows: {sizes}")
    values = [array for name, array in found.arrays.items() if not name.endswith(f".{LENGTHS}")]
    is_empty = _each_row(values, lambda part: not part.any())
    digests: dict[bytes, int] = {}
    is_repeated = np.zeros(len(is_empty), np.bool_)
    for row in np.flatnonzero(~is_empty).tolist():
        digest = hashlib.blake2b(b"".join(array[row].tobytes() for array in values), digest_size=16).digest()
        is_repeated[row] = digests.setdefault(digest, row) != row
    for marks, what in ((is_empty, "all zero"), (is_repeated, "the same as an earlier one")):
        if count := int(marks.sum()):
            done = "left out" if trim else "kept; --trim leaves them out"
            first = int(marks.argmax()) + 1
            found.notes.append(f"{count} of {len(marks)} rows are {what}, from row {first} on: {done}")
    if trim:
        kept = ~(is_empty | is_repeated)
        found.arrays = {name: array[kept] for name, array in found.arrays.items()}


def _each_row(arrays: list[Array], test: Callable[[Array], bool]) -> npt.NDArray[np.bool_]:
    return np.array([all(test(array[row]) for array in arrays) for row in range(len(arrays[0]))], np.bool_)
