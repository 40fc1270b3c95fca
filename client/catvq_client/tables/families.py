"""Series and grids in memory as the arrays of an NPZ file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from catvq_client.errors import CatvqError

Array: TypeAlias = npt.NDArray[Any]

PARTS = (".values", ".offsets", ".lengths")  # of families that are given as the arrays of a file
MAX_DIMENSIONS = 4


@dataclass(frozen=True)
class Families:
    """The arrays of an NPZ file.

    Args:
        arrays: By name.
        channels: Names of channels, of families whose arrays have labels for them.
    """

    arrays: dict[str, Array] = field(default_factory=dict)
    channels: dict[str, list[str]] = field(default_factory=dict)

    @property
    def params(self) -> dict[str, str]:
        """What the query says beside the file."""
        text = json.dumps(self.channels, separators=(",", ":"), ensure_ascii=False)
        return {"channels": text} if self.channels else {}


def has_channels(table: Mapping[str, Any]) -> bool:
    """Whether some values are series or grids: arrays of three dimensions or more, or of many lengths."""
    return any(
        name.endswith(PARTS) or _is_ragged(values) or _ndim(values) > 2 for name, values in table.items()
    )


def family_arrays(table: Mapping[str, Any]) -> Families:
    """Return a family for each item, of many lengths as its values and offsets.

    Args:
        table: Of each family an array [rows, features], [rows, steps, channels] or [rows, channels, height,
            width], of numpy, xarray, awkward or others; or one array [steps, channels] or [steps] per row.

    Raises:
        CatvqError: Something is none of these.
    """
    found = Families()
    for name, values in table.items():
        if _is_ragged(values):
            steps = _rows_of(name, values)
            found.arrays[f"{name}.values"] = _join(name, steps)
            found.arrays[f"{name}.offsets"] = np.concatenate([[0], np.cumsum([len(row) for row in steps])])
            continue
        array = np.asanyarray(values)
        if not 1 <= array.ndim <= MAX_DIMENSIONS:
            raise CatvqError(f"family {name}: needed one to {MAX_DIMENSIONS} dimensions, got {array.ndim}")
        found.arrays[name] = array
        if (labels := _labels(values)) is not None:
            found.channels[name] = labels
    return found


def count_values(table: Mapping[str, Any]) -> int:
    """Return about how many values there are."""
    return sum(int(array.size) for array in family_arrays(table).arrays.values())


def _rows_of(name: str, values: Any) -> list[Array]:
    if not is_awkward(values):
        return [np.asanyarray(row) for row in values]
    awkward = import_module("awkward")
    try:  # a row that is missing as a whole has no steps
        return [awkward.to_numpy(row) for row in awkward.fill_none(values, [], axis=0)]
    except ValueError as error:
        raise _wrong_rows(name) from error


def _wrong_rows(name: str) -> CatvqError:
    return CatvqError(f"family {name}: each row needs [steps] or [steps, channels] with the same channels")


def _join(name: str, steps: list[Array]) -> Array:
    shapes = {row.shape[1:] for row in steps if len(row)}
    if len(shapes) > 1 or any(len(shape) > 1 for shape in shapes):
        raise _wrong_rows(name)
    shape = shapes.pop() if shapes else ()
    is_masked = any(isinstance(row, np.ma.MaskedArray) for row in steps)
    joined: Array = (np.ma if is_masked else np).concatenate([row.reshape(-1, *shape) for row in steps])
    return joined


def _is_ragged(values: Any) -> bool:
    if is_awkward(values):
        return not _is_regular_awkward(values)
    if not isinstance(values, Sequence) or isinstance(values, str):
        return False
    lengths = {np.shape(row)[:1] for row in values if not np.isscalar(row) and row is not None}
    return len(lengths) > 1


def _ndim(values: Any) -> int:
    return int(getattr(values, "ndim", None) or np.ndim(values))


def is_awkward(values: Any) -> bool:
    """Whether it is an array of awkward."""
    return type(values).__module__.partition(".")[0] == "awkward"


def _is_regular_awkward(values: Any) -> bool:
    awkward = import_module("awkward")
    if values.ndim < 2:
        return True
    return len(set(awkward.num(values, axis=1).tolist())) <= 1


def _labels(values: Any) -> list[str] | None:
    """Return the labels of the channels of an array that has some, as those of xarray."""
    dims: Sequence[str] = getattr(values, "dims", ())
    place = {3: 2, 4: 1}.get(len(dims))
    labels = None if place is None else getattr(values, "coords", {}).get(dims[place])
    return None if labels is None else [str(label) for label in np.asarray(labels).tolist()]
