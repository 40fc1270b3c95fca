"""Memory limits of the machine or container, and detection of out-of-memory kills."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from worker.store.records import JobRecord

OUT_OF_MEMORY = "out_of_memory"  # the error code of a job
MEMBERSHIP = Path("/proc/self/cgroup")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
EVENTS_OF_THE_MACHINE = Path("/proc/vmstat")
OWN_SCORE = Path("/proc/self/oom_score_adj")
HIGHEST_SCORE = 1000  # such a process is killed before all others, however little memory it takes
# Parameters of glibc's mallopt: how much free memory stays, and the size from which it is given back at once.
# A step of training frees some MiB: giving them back each time takes a fifth of its time.
ALLOCATOR = {
    -1: 64 << 20,
    -3: 32 << 20,
}  # free memory kept, and the size from which memory is given back at once


def find_memory_bytes() -> int:
    """Return the memory of the machine, or the limit of its control group if that is lower."""
    texts = (path.read_text().strip() for path in _group_files("memory.max", "memory.limit_in_bytes"))
    return min([psutil.virtual_memory().total, *(int(text) for text in texts if text.isdigit())])


def count_memory_kills() -> int:
    """Return how many processes the system has killed because memory ran out.

    Counted for this control group where the system does so, else for the machine.
    """
    for path in (*_group_files("memory.events", "memory.oom_control"), EVENTS_OF_THE_MACHINE):
        with suppress(OSError):
            for line in path.read_text().splitlines():
                name, _, number = line.partition(" ")
                if name == "oom_kill":
                    return int(number)
    return 0


def be_killed_first() -> None:
    """Make this process the first that the system kills when memory runs out."""
    with suppress(OSError):  # only Linux has this file
        OWN_SCORE.write_text(str(HIGHEST_SCORE))


def keep_freed_memory() -> None:
    """Let this process use freed memory again, in place of giving it back to the system each time."""
    with suppress(OSError, AttributeError, TypeError):  # only glibc has it
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in ALLOCATOR.items():
            mallopt(parameter, value)


def describe_memory_kill(job: JobRecord) -> str:
    """Return the error text of a job whose process was killed for memory."""
    return f"The system ended the job's process because memory ran out.{describe_memory_drivers(job)}"


def describe_memory_drivers(job: JobRecord) -> str:
    """Return a sentence naming the settings that drive a job's memory; empty without an estimate."""
    drivers = job.resolved.get("estimate", {}).get("driven_by", {})
    listed = ", ".join(f"{name} {value}" for name, value in drivers.items())
    return f" Its memory depends most on: {listed}." if listed else ""


def _group_files(name: str, name_in_version_1: str) -> Iterator[Path]:
    """Yield a file of this process's control group and of its parents, where they can be read.

    A container often sees its own group as the root, while its path is the host's.
    """
    lines = MEMBERSHIP.read_text().splitlines() if MEMBERSHIP.exists() else []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            root, file_name = CONTROL_GROUPS, name
        elif "memory" in controllers.split(","):
            root, file_name = CONTROL_GROUPS / "memory", name_in_version_1
        else:
            continue
        parts = Path(os.path.normpath(group)).parts[1:]
        for depth in range(len(parts), -1, -1):
            path = root.joinpath(*parts[:depth], file_name)
            if path.is_file():
                yield path
