"""A request body: what is streamed, and its kind."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

CSV = "text/csv"
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Body:
    """A request body that can be produced more than once, because a refused request is sent again."""

    content_type: str
    chunks: Callable[[], Iterator[bytes]]
    size_bytes: int | None = None
    params: dict[str, str] = field(default_factory=dict)


def csv_line(cells: Iterable[object]) -> bytes:
    """Write one line of CSV; None and NaN are empty."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow("" if _is_missing(cell) else cell for cell in cells)
    return line.getvalue().encode()


def _is_missing(cell: object) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))
