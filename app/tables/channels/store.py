"""Writes series and grids as the service keeps them: one NPY file of float32, and one of offsets for series.

Shapes: N rows, C channels, S steps of all rows together, H and W of a grid.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from app.problems import MAX_PLACES, InvalidError, Place
from app.tables.channels.family import ChannelFamily, feature_names
from app.tables.channels.sizes import check_size
from app.tables.statistics import Statistics
from app.tables.table import TableLimits, Warned

STORED = np.dtype("<f4")


@dataclass(frozen=True)
class WrittenFamily:
    """A family of series or grids that is on the disk.

    Args:
        kind: What is stored of it beside its values: see `NewDataset.kinds`.
        values_path: NPY, float32 [S, C] or [N, C, H, W].
        offsets_path: NPY, int64 [N + 1], of series.
        missing: Missing values of each channel, int64 [C].
    """

    kind: dict[str, Any]
    values_path: Path
    offsets_path: Path | None
    missing: NDArray[np.int64]
    warnings: tuple[Warned, ...]


def write_channels(
    channels: Mapping[str, ChannelFamily], directory: Path, limits: TableLimits
) -> list[WrittenFamily]:
    """Write families, each of its values as it is read, and put them on the disk.

    Raises:
        InvalidError: There are more values than all may have, or one is infinite as float32.
    """
    size = 0
    for family, found in channels.items():
        size += int(np.prod(found.stored_shape))
        check_size(family, size, limits)
    return [
        _write_family(family, found, directory / str(place))
        for place, (family, found) in enumerate(channels.items())
    ]


def _write_family(family: str, found: ChannelFamily, path: Path) -> WrittenFamily:
    values_path, offsets_path = path.with_suffix(".values"), None
    with values_path.open("wb") as target:
        statistics = _write_values(family, found, target)
    if found.lengths is not None:
        offsets_path = path.with_suffix(".offsets")
        with offsets_path.open("wb") as target:
            np.save(target, _offsets(found.lengths))
            _sync(target)
    kind = {
        "family": family,
        "kind": found.kind,
        "channels": list(found.channels),
        "length": None
        if found.lengths is None
        else {"min": int(found.lengths.min()), "max": int(found.lengths.max())},
        "shape": None if found.shape is None else list(found.shape),
    }
    warnings = tuple(_warnings(family, found, statistics))
    return WrittenFamily(kind, values_path, offsets_path, statistics.missing, warnings)


def _write_values(family: str, found: ChannelFamily, target: BinaryIO) -> Statistics:
    header = {"descr": STORED.str, "fortran_order": False, "shape": found.stored_shape}
    np.lib.format.write_array_header_1_0(target, header)
    statistics = Statistics(len(found.channels))
    written = 0
    for block in found.blocks():
        if not block.size:
            continue
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(block, dtype=STORED)
        if np.isinf(values).any():
            raise _infinite(family, found, block, values, before=written)
        written += len(block)
        statistics.add(_by_channel(block), _by_channel(values))
        target.write(values.data)
    if written != found.stored_shape[0] and found.stored_shape[1]:
        raise RuntimeError(f"{written} parts of {found.stored_shape} were written")
    _sync(target)
    return statistics


def _by_channel(values: NDArray[Any]) -> NDArray[Any]:
    """Return values with a column for each channel."""
    return values if values.ndim == 2 else np.moveaxis(values, 1, -1).reshape(-1, values.shape[1])


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype("<i8")


def _sync(target: BinaryIO) -> None:
    target.flush()
    os.fsync(target.fileno())


def _warnings(family: str, found: ChannelFamily, statistics: Statistics) -> Iterator[Warned]:
    if found.lengths is not None and (count := int((found.lengths == 0).sum())):
        detail = f"{family!r} has {count} rows of length 0; all of its channels are missing there"
        yield Warned("empty_series", detail, family, count)
    names = feature_names(family, found.channels)
    told = zip(
        names, statistics.missing.tolist(), statistics.is_constant, statistics.loses_precision, strict=True
    )
    for name, missing, is_constant, is_rounded in told:
        if missing == statistics.rows:
            yield Warned(
                "empty_column", f"{name!r} has no value at all; it is set aside while learning", name
            )
        elif missing:
            detail = (
                f"{name!r} misses {missing} of {statistics.rows} values; they are left out of its description"
            )
            yield Warned("missing_values", detail, name, missing)
        if is_constant:
            yield Warned("constant_column", f"{name!r} has one value only; it says nothing", name)
        if is_rounded:
            detail = (
                f"{name!r} is kept in single precision, which rounds it by more than {1 / 4096:.2%} of its "
                "standard deviation; subtract what is common to its values before you send it"
            )
            yield Warned("rounded", detail, name)


def _infinite(
    family: str, found: ChannelFamily, block: NDArray[Any], values: NDArray[Any], *, before: int
) -> InvalidError:
    """Say where values are that float32 cannot hold; rows and positions count from 1."""
    places: list[Place] = []
    offsets = None if found.lengths is None else _offsets(found.lengths)
    for at in np.argwhere(np.isinf(values))[:MAX_PLACES].tolist():
        index, channel, *cell = at
        if offsets is None:
            row, position = before + index + 1, [part + 1 for part in cell]
        else:
            row = int(np.searchsorted(offsets, before + index, side="right"))
            position = before + index - int(offsets[row - 1]) + 1
        what = "infinite" if np.isinf(block[tuple(at)]) else f"{block[tuple(at)]:g} is beyond float32"
        name = feature_names(family, [found.channels[channel]])[0]
        places.append(Place(detail=f"{what} at position {position}", field=family, column=name, row=row))
    first = places[0]
    return InvalidError(
        f"family {family!r}, row {first.row}, channel {first.column!r}: {first.detail}",
        places,
        code="not_finite",
    )
