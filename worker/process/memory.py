"""How much memory the jobs of this machine may take, and what happens when that is too little."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from worker.store.records import JobRecord

OUT_OF_MEMORY = "out_of_memory"  # the code of such a failure
MEMBERSHIP = Path("/proc/self/cgroup")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
EVENTS_OF_THE_MACHINE = Path("/proc/vmstat")
OWN_SCORE = Path("/proc/self/oom_score_adj")
HIGHEST_SCORE = 1000  # such a process is killed before all others, however little memory it takes


def find_memory_bytes() -> int:
    """Return the machine's memory, or what the control group may take where that is less."""
    texts = (path.read_text().strip() for path in _group_files("memory.max", "memory.limit_in_bytes"))
    return min([psutil.virtual_memory().total, *(int(text) for text in texts if text.isdigit())])


def count_memory_kills() -> int:
    """Return how many processes the system has killed because memory ran out.

    Those of this control group alone where the system counts them, else all of the machine.
    """
    for path in (*_group_files("memory.events", "memory.oom_control"), EVENTS_OF_THE_MACHINE):
        with suppress(OSError):
            for line in path.read_text().splitlines():
                name, _, number = line.partition(" ")
                if name == "oom_kill":
                    return int(number)
    return 0


def be_killed_first() -> None:
    """Have the system kill this process, before any other, when memory runs out."""
    with suppress(OSError):  # systems other than Linux have no such score
        OWN_SCORE.write_text(str(HIGHEST_SCORE))


def describe_shortage(job: JobRecord) -> str:
    """Say that a job's process was killed for memory, and which settings would make it need less."""
    return f"The system ended the job's process because memory ran out.{name_drivers(job)}"


def name_drivers(job: JobRecord) -> str:
    """Return a sentence about what a job's need of memory depends on; nothing where no estimate was made."""
    drivers = job.resolved.get("estimate", {}).get("driven_by", {})
    listed = ", ".join(f"{name} {value}" for name, value in drivers.items())
    return f" What its need of memory depends on most: {listed}." if listed else ""


def _group_files(name: str, name_in_version_1: str) -> Iterator[Path]:
    """Yield a file of this process's control group and of those around it, as far as they can be seen.

    A container often sees its own group as the outermost one, under a path that is its host's.
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
