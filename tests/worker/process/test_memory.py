import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from worker.process import memory

GIB = 1 << 30


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Stands for the system's files about control groups; called with a membership and files to write."""
    monkeypatch.setattr(memory, "CONTROL_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(memory, "EVENTS_OF_THE_MACHINE", tmp_path / "vmstat")
    (tmp_path / "vmstat").write_text("pgpgin 12\noom_kill 7\noom_kill_other 9\n")

    def write(membership, files):
        (tmp_path / "membership").write_text(membership)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


def test_without_control_groups_jobs_may_take_what_the_machine_has(groups):
    assert memory.find_memory_bytes() == psutil.virtual_memory().total
    assert memory.count_memory_kills() == 7


@pytest.mark.parametrize(
    ("membership", "files"),
    [
        ("0::/a/b\n", {"a/memory.max": f"{GIB}\n", "a/b/memory.max": "max\n"}),
        ("0::/a/b\n", {"a/memory.max": "max\n", "a/b/memory.max": f"{GIB}\n"}),
        ("0::/\n", {"memory.max": f"{GIB}\n"}),
        ("0::/../../of/the/host\n", {"memory.max": f"{GIB}\n"}),
        ("3:cpu:/\n2:memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": f"{GIB}\n"}),
        ("2:memory,hugetlb:/of/the/host\n", {"memory/memory.limit_in_bytes": f"{GIB}\n"}),
    ],
)
def test_the_limit_of_a_container_is_read_from_either_version_of_control_groups(groups, membership, files):
    groups(membership, files)
    assert memory.find_memory_bytes() == GIB


def test_a_limit_beyond_the_machine_is_none(groups):
    groups("2:memory:/a\n", {"memory/a/memory.limit_in_bytes": "9223372036854771712\n"})
    assert memory.find_memory_bytes() == psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("membership", "files"),
    [
        ("0::/a\n", {"a/memory.events": "oom 5\noom_kill 3\n", "memory.events": "oom_kill 4\n"}),
        ("2:memory:/a\n", {"memory/a/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"}),
    ],
)
def test_kills_are_counted_in_the_nearest_group_that_counts_them(groups, membership, files):
    groups(membership, files)
    assert memory.count_memory_kills() == 3


def test_an_old_kernel_s_group_without_a_count_leaves_it_to_the_machine(groups):
    groups("2:memory:/a\n", {"memory/a/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n"})
    assert memory.count_memory_kills() == 7


@pytest.mark.skipif(sys.platform != "linux", reason="the score of Linux")
def test_a_process_can_raise_its_out_of_memory_score():
    command = [
        sys.executable,
        "-c",
        "from worker.process.memory import *; be_killed_first(); print(OWN_SCORE.read_text())",
    ]
    environment = os.environ | {"PYTHONPATH": str(Path(memory.__file__).parents[2])}
    assert subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout.split() == [
        b"1000"
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc's allocator is told")
def test_a_process_uses_the_memory_again_that_it_has_freed():
    code = """
import resource, numpy as np
from worker.process.memory import keep_freed_memory
keep_freed_memory()
for number in range(200):
    if number == 100:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    parts = [np.ones(1 << 18) for _ in range(4)]
    del parts
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(ended.stdout) < 100  # else two thousand each time
