"""Long tables and many series: memory and time of runs, each in a process of its own: `make bench-long`.

A planted table of 298 numbers (or series of 64 channels) is written to a file once, and then learnt from as a
worker would: mapped. Memory is sampled while the run goes: what belongs to the process alone (anonymous), and
pages of files, which the system takes back when it needs them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from catvq.config import RunConfig
from catvq.errors import Interrupted
from catvq.features import spooled
from catvq.features.row_weights import order_rows
from catvq.features.sequences import Series
from catvq.features.table import FeatureTable
from catvq.training.run import TrainingRun

FEATURES, CAUSES = 298, 10
CHANNELS, LEAST_LENGTH, MOST_LENGTH = 64, 100, 300
WRITTEN_ROWS = 4096  # at once
SAMPLE_S = 0.02
BATCH_ROWS, READ_BATCHES = 1024, 64
MIB = 2**20
HEAD = """| table | phase | s | s of CPU | ms of CPU a step | anonymous MiB, at most | of files MiB, at most |
|---|---|---|---|---|---|---|"""


def main() -> None:
    """Print a line for each phase of each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--series", type=int, nargs="*", default=[10_000])
    parser.add_argument("--steps", type=int, default=200, help="steps that are timed; 0: a whole epoch")
    parser.add_argument("--directory", type=Path, help="where the tables lie; they are kept there")
    parser.add_argument("--without-freeze", action="store_true")
    parser.add_argument("--read", type=int, help="time batches of a file of so many rows as well")
    parser.add_argument("--in-memory", action="store_true", help="what would lie in files does not")
    parser.add_argument("--one", choices=["rows", "series"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_memory:
        spooled.IN_MEMORY_BYTES = sys.maxsize
    if arguments.one:
        sizes = arguments.rows if arguments.one == "rows" else arguments.series
        learn(
            arguments.one,
            sizes[0],
            arguments.directory,
            arguments.steps,
            freezes=not arguments.without_freeze,
        )
        return
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.read:
            read_batches(arguments.directory or Path(temporary), arguments.read)
        print(HEAD, flush=True)
        for kind, sizes in (("rows", arguments.rows), ("series", arguments.series)):
            for size in sizes:
                own = ["--one", kind, f"--{kind}", str(size), "--steps", str(arguments.steps)]
                own += ["--directory", str(arguments.directory or temporary)]
                own += ["--without-freeze"] if arguments.without_freeze else []
                own += ["--in-memory"] if arguments.in_memory else []
                subprocess.run([sys.executable, "-m", "benchmarks.long_tables", *own], check=True)


def learn(kind: str, size: int, directory: Path, steps: int, *, freezes: bool) -> None:
    """Start, train some steps and freeze; print what each took."""
    torch.set_num_threads(1)
    table = write_rows(directory, size) if kind == "rows" else write_series(directory, size)
    config = RunConfig.from_dict({"model": {"categories": CAUSES}, "training": {"epochs": 1}})
    name = f"{size:,} {kind}"
    with measured(name, "start"):
        run = TrainingRun.start(table, config)
    with measured(name, "first step"):
        take_steps(run, 1)
    taken = [0]
    with measured(name, "steps", lambda: taken[0]):
        taken[0] = take_steps(run, steps)
    if freezes:
        with measured(name, "freeze"):
            run.freeze()


def read_batches(directory: Path, rows: int) -> None:
    """Print how long it takes to read a batch from a file, in the order of an epoch and at random."""
    write_rows(directory, rows)
    path, random = directory / f"rows-{rows}.npy", np.random.default_rng(0)
    for order, name in ((order_rows(rows, None, random), "an epoch"), (random.permutation(rows), "chance")):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        values = np.load(path, mmap_mode="r")
        for state in ("not in memory", "in memory"):
            started = time.monotonic()
            for batch in range(READ_BATCHES):
                values[order[batch * BATCH_ROWS : (batch + 1) * BATCH_ROWS]]
            milliseconds = 1000 * (time.monotonic() - started) / READ_BATCHES
            print(f"{rows:,} rows, {state}, order of {name}: {milliseconds:.1f} ms a batch", flush=True)
        del values


def take_steps(run: TrainingRun, most: int) -> int:
    """Train so many steps, or to the end of the epoch where 0 are given; returns how many were taken."""
    first = run.state().step
    with suppress(Interrupted):
        run.train_epoch(lambda: most > 0 and run.state().step - first >= most)
    return run.state().step - first


@contextmanager
def measured(table: str, phase: str, steps: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Time a phase, and sample the memory of this process meanwhile."""
    most, is_over = {"RssAnon": 0, "RssFile": 0}, threading.Event()

    def sample() -> None:
        while not is_over.wait(SAMPLE_S):
            for line in Path("/proc/self/status").read_text().splitlines():
                field, _, value = line.partition(":")
                if field in most:
                    most[field] = max(most[field], int(value.split()[0]) * 1024)

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    started, busy_before = time.monotonic(), time.process_time()
    yield
    seconds, busy = time.monotonic() - started, time.process_time() - busy_before
    is_over.set()
    sampler.join()
    of_step = f"{1000 * busy / steps():.1f}" if steps() else ""
    anonymous, of_files = (most[field] / MIB for field in most)
    sizes = f"{anonymous:.0f} | {of_files:.0f}"
    print(f"| {table} | {phase} | {seconds:.1f} | {busy:.1f} | {of_step} | {sizes} |", flush=True)


def write_rows(directory: Path, rows: int) -> FeatureTable:
    """A table of numbers, mapped; written if it is not there yet."""
    path, random = directory / f"rows-{rows}.npy", np.random.default_rng(0)
    if not path.exists():
        loadings = random.standard_normal((CAUSES, FEATURES), dtype=np.float32)
        loadings *= np.arange(CAUSES)[:, None] == np.arange(FEATURES) % CAUSES
        values = np.lib.format.open_memmap(path, "w+", np.float32, (rows, FEATURES))
        for start in range(0, rows, WRITTEN_ROWS):
            block = values[start : start + WRITTEN_ROWS]
            block[:] = np.sin(random.standard_normal((len(block), CAUSES), dtype=np.float32)) @ loadings
            block += 0.3 * random.standard_normal(block.shape, dtype=np.float32)
    features = tuple(f"f{number}" for number in range(FEATURES))
    return FeatureTable(np.load(path, mmap_mode="r"), features, {"all": features})


def write_series(directory: Path, rows: int) -> FeatureTable:
    """A family of series of random walks, mapped; written if it is not there yet."""
    path, random = directory / f"series-{rows}.npy", np.random.default_rng(0)
    lengths = random.integers(LEAST_LENGTH, MOST_LENGTH + 1, rows)
    offsets = np.concatenate([[0], lengths.cumsum()])
    if not path.exists():
        values = np.lib.format.open_memmap(path, "w+", np.float32, (int(offsets[-1]), CHANNELS))
        for start, end in pairwise(offsets.tolist()):
            walks = random.standard_normal((end - start, CAUSES), dtype=np.float32).cumsum(axis=0)
            values[start:end] = walks[:, np.arange(CHANNELS) % CAUSES]
            values[start:end] += random.standard_normal((end - start, CHANNELS), dtype=np.float32)
    channels = tuple(f"walk/{number}" for number in range(CHANNELS))
    series = Series.divide(np.load(path, mmap_mode="r"), offsets)
    return FeatureTable(
        np.empty((rows, 0), np.float32), channels, {"walk": channels}, others={"walk": series}
    )


if __name__ == "__main__":
    main()
