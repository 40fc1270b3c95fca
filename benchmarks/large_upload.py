"""Time and memory of reading a large CSV as an upload, beside pyarrow's own reading and writing.

Each way reads the same file in a process of its own: what an upload does to become a dataset (without HTTP
and the database), and pyarrow to columns and on to a Parquet file. Seconds are the processor's; peak memory
is that of the process, libraries included.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from app.formats import Format
from app.tables.columns.options import ReadOptions
from app.tables.open_table import open_table
from app.tables.store_values import write_values
from app.tables.table import TableLimits

NUMBERS = 20
CHUNK_ROWS = 50_000
LIMITS = {"max_rows": 1 << 40, "max_features": 1000, "max_expanded_bytes": 1 << 40}
SERIES_LIMITS = {"max_series_length": 1, "max_grid_cells": 1, "max_channel_values": 1}
SITES = np.array(["north", "south", "west"])


@dataclass(frozen=True)
class Kind:
    """What a file holds, and how numbers are written in it."""

    is_mixed: bool = False
    missing: float = 0.0
    na_values: tuple[str, ...] = ()
    decimal: str = "."

    @property
    def delimiter(self) -> str:
        """What stands between cells."""
        return ";" if self.decimal == "," else ","


KINDS = {
    "numbers": Kind(),
    "numbers, text, dates": Kind(is_mixed=True),
    "... and NA in 1% of the numbers": Kind(is_mixed=True, missing=0.01),
    "... with a text among na_values": Kind(is_mixed=True, na_values=("-",)),
    "... with decimal commas": Kind(is_mixed=True, decimal=","),
}


def main() -> None:
    """Print seconds and peak memory of each way, for each kind of columns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    size = parser.parse_args().megabytes << 20
    print("columns | MB | rows | way | seconds | peak MiB")
    for name, kind in KINDS.items():
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch, "table.csv")
            rows = write_table(path, size, kind)
            for way in (upload, through_arrow):
                seconds, peak = in_a_process(way, path, kind)
                size_mb = path.stat().st_size >> 20
                print(
                    f"{name} | {size_mb} | {rows} | {way.__name__} | {seconds:.1f} | {peak:.0f}", flush=True
                )


def write_table(path: Path, size: int, kind: Kind) -> int:
    """Write a table of at least that size; return its rows."""
    random, rows = np.random.default_rng(0), 0
    with path.open("wb") as file:
        while file.tell() < size:
            columns = {f"x{n}": cells(random, kind) for n in range(NUMBERS)}
            if kind.is_mixed:
                days = np.datetime64("2020-01-01", "s") + random.integers(0, 10**8, CHUNK_ROWS)
                columns |= {"site": SITES[random.integers(0, 3, CHUNK_ROWS)], "when": days.astype(str)}
            options = csv.WriteOptions(
                include_header=rows == 0, quoting_style="needed", delimiter=kind.delimiter
            )
            csv.write_csv(pa.table(columns), file, options)
            rows += CHUNK_ROWS
    return rows


def cells(random: np.random.Generator, kind: Kind) -> pa.Array:
    """Return the next numbers of a column, as text where they are not written as numbers are."""
    numbers = pa.array(random.normal(size=CHUNK_ROWS).round(6))
    if kind.decimal == ",":
        return pc.replace_substring(numbers.cast(pa.string()), ".", ",")
    if kind.missing:
        return pc.if_else(random.random(CHUNK_ROWS) < kind.missing, "NA", numbers.cast(pa.string()))
    return numbers


def upload(path: Path, kind: Kind) -> None:
    """Read and write as an upload."""
    types = {"when": "datetime"} if kind.is_mixed else {}
    options = ReadOptions(
        types=types, na_values=kind.na_values, delimiter=kind.delimiter, decimal=kind.decimal
    )
    limits = TableLimits(**LIMITS, **SERIES_LIMITS, scratch_dir=path.parent)
    with path.open("rb") as file, path.with_name("values").open("wb") as target:
        write_values(open_table(file, Format.CSV, options, limits), target, limits)


def through_arrow(path: Path, kind: Kind) -> None:
    """Read and write with pyarrow alone, on one thread as an upload does."""
    table = csv.read_csv(
        path,
        csv.ReadOptions(use_threads=False),
        csv.ParseOptions(delimiter=kind.delimiter),
        csv.ConvertOptions(decimal_point=kind.decimal),
    )
    parquet.write_table(table, path.with_name("values.parquet"))


def in_a_process(way: Callable[[Path, Kind], None], path: Path, kind: Kind) -> tuple[float, float]:
    """Return seconds, and MiB at most, that a new process takes for it."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (way, path, kind))


def measure(way: Callable[[Path, Kind], None], path: Path, kind: Kind) -> tuple[float, float]:
    """Do it here."""
    started = time.process_time()
    way(path, kind)
    seconds = time.process_time() - started
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
