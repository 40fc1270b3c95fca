"""Counts the cores that a job may use without slowing down, or waiting for, what else the machine does."""

import os
import statistics
import time
from contextlib import suppress
from pathlib import Path

import joblib

LOAD = Path("/proc/loadavg")  # "0.20 0.18 0.12 3/512 4711": of 512 threads, 3 run or wait for a core
LOOKS = 5
INTERVAL_S = 0.01


def find_free_cores() -> int:
    """Return how many cores are idle, at least 1 and at most what affinity and control group allow.

    Threads of one step wait for each other, so that on a busy core each of them makes the others wait.
    """
    allowed: int = joblib.cpu_count()
    idle = (os.cpu_count() or 1) - _count_running_threads()
    return max(1, min(allowed, idle))


def _count_running_threads() -> int:
    """Count the other threads of the machine that run or wait for a core; 0 where no system tells."""
    counts = []
    with suppress(OSError):
        for _ in range(LOOKS):
            running = LOAD.read_text().split()[3].partition("/")[0]
            counts.append(int(running) - 1)  # this thread runs, too
            time.sleep(INTERVAL_S)
    return statistics.median_low(counts) if counts else 0
