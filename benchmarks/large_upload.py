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
from pathlib import Path

import numpy as np
import pyarrow as pa
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


def main() -> None:
    """Print seconds and peak memory of each way, for plain and for mixed columns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    size = parser.parse_args().megabytes << 20
    print("columns | MB | rows | way | seconds | peak MiB")
    for kind, is_mixed in (("numbers", False), ("numbers, text, dates", True)):
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch, "table.csv")
            rows = write_table(path, size, is_mixed=is_mixed)
            for name, way in (("upload", upload), ("pyarrow", through_arrow)):
                seconds, peak = in_a_process(way, path, is_mixed)
                size_mb = path.stat().st_size >> 20
                print(f"{kind} | {size_mb} | {rows} | {name} | {seconds:.1f} | {peak:.0f}", flush=True)


def write_table(path: Path, size: int, *, is_mixed: bool) -> int:
    """Write a table of at least that size; return its rows."""
    random, rows = np.random.default_rng(0), 0
    with path.open("wb") as file:
        while file.tell() < size:
            columns = {f"x{n}": random.normal(size=CHUNK_ROWS).round(6) for n in range(NUMBERS)}
            if is_mixed:
                days = np.datetime64("2020-01-01", "s") + random.integers(0, 10**8, CHUNK_ROWS)
                columns |= {"site": SITES[random.integers(0, 3, CHUNK_ROWS)], "when": days.astype(str)}
            options = csv.WriteOptions(include_header=rows == 0, quoting_style="needed")
            csv.write_csv(pa.table(columns), file, options)
            rows += CHUNK_ROWS
    return rows


def upload(path: Path, is_mixed: bool) -> None:  # noqa: FBT001 - both ways are called alike
    """Read and write as an upload."""
    options = ReadOptions(types={"when": "datetime"} if is_mixed else {})
    limits = TableLimits(**LIMITS, **SERIES_LIMITS, scratch_dir=path.parent)
    with path.open("rb") as file, path.with_name("values").open("wb") as target:
        write_values(open_table(file, Format.CSV, options, limits), target, limits)


def through_arrow(path: Path, _: bool) -> None:  # noqa: FBT001 - as above
    """Read and write with pyarrow alone, on one thread as an upload does."""
    table = csv.read_csv(path, csv.ReadOptions(use_threads=False))
    parquet.write_table(table, path.with_name("values.parquet"))


def in_a_process(way: Callable[[Path, bool], None], path: Path, is_mixed: bool) -> tuple[float, float]:  # noqa: FBT001
    """Return seconds, and MiB at most, that a new process takes for it."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (way, path, is_mixed))


def measure(way: Callable[[Path, bool], None], path: Path, is_mixed: bool) -> tuple[float, float]:  # noqa: FBT001
    """Do it here."""
    started = time.process_time()
    way(path, is_mixed)
    seconds = time.process_time() - started
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
