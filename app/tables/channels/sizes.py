"""Limits on the size of series and grids."""

import numpy as np
from numpy.typing import NDArray

from app.problems import InvalidError, Place
from app.tables.table import TableLimits


def check_size(family: str, size: int, limits: TableLimits) -> None:
    """Raise `InvalidError` where a family has more values than all may have together."""
    if size > limits.max_channel_values:
        detail = f"{size} values; series and grids may have {limits.max_channel_values} in all"
        place = Place(detail=detail, field=family)
        raise InvalidError(f"family {family!r}: {detail}", [place], code="too_many_values")


def check_lengths(family: str, lengths: NDArray[np.int64], limits: TableLimits) -> None:
    """Raise `InvalidError` where a series is longer than one may be."""
    if len(lengths) and lengths.max() > limits.max_series_length:
        row = int(lengths.argmax()) + 1
        detail = f"a series of {lengths.max()} steps; at most {limits.max_series_length} are taken"
        place = Place(detail=detail, field=family, row=row)
        raise InvalidError(f"family {family!r}, row {row}: {detail}", [place], code="series_too_long")


def check_grid(family: str, shape: tuple[int, int], limits: TableLimits) -> None:
    """Raise `InvalidError` where grids are empty or larger than one may be."""
    cells = shape[0] * shape[1]
    if not cells:
        detail = f"its grids are {list(shape)}, which is nothing"
    elif cells > limits.max_grid_cells:
        detail = f"its grids have {cells} cells; at most {limits.max_grid_cells} are taken"
    else:
        return
    raise InvalidError(
        f"family {family!r}: {detail}", [Place(detail=detail, field=family)], code="wrong_grid"
    )
