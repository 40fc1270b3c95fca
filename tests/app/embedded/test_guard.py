import subprocess
import sys
from contextlib import suppress

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.embedded.guard import living_groups

SUPERVISOR = """
import os, sys, time
from pathlib import Path
from app.embedded.child import Child, Command
from app.embedded.guard import Guard
from app.embedded.lock import locked

with locked(Path(sys.argv[1])) as lock, Guard(lock) as guard:
    command = Command("child", ["sh", "-c", "echo $$ >pid; sleep 100"], dict(os.environ), Path(sys.argv[1]))
    child = Child(command, Path(sys.argv[1]) / "log", guard)
    child.keep_running()
    while True:
        guard.keep_running()
        print("turn", flush=True)
        time.sleep(0.05)
"""


@pytest.fixture
def supervisor(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    yield psutil.Process(process.pid)
    process.kill()
    process.communicate()


def guard_of(supervisor):
    for child in supervisor.children():
        with suppress(psutil.NoSuchProcess):  # it has ended and is still listed
            if "app.embedded.guard" in child.cmdline():
                return child
    return None


def ends(process, timeout_s=10):
    return not psutil.wait_procs([process], timeout=timeout_s)[1]


def test_the_processes_of_a_killed_supervisor_end_with_all_they_started(supervisor, tmp_path, eventually):
    eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    guard = eventually(lambda: guard_of(supervisor))
    child = psutil.Process(int((tmp_path / "pid").read_text()))
    (sleep,) = eventually(child.children)
    supervisor.kill()
    assert ends(sleep)
    assert ends(child)
    assert ends(guard)


def test_a_killed_guard_is_replaced_and_its_successor_knows_the_processes(supervisor, tmp_path, eventually):
    eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    child = psutil.Process(int((tmp_path / "pid").read_text()))
    first = eventually(lambda: guard_of(supervisor))
    first.kill()
    second = eventually(lambda: (found := guard_of(supervisor)) and found != first and found)
    assert child.is_running()
    supervisor.kill()
    assert ends(child)
    assert ends(second)


@given(st.lists(st.integers(2, 9)))
def test_groups_that_started_and_have_not_ended_are_alive(groups):
    lines, alive = [], set()
    for group in groups:
        lines.append(f"{'-' if group in alive else '+'}{group}\n")
        alive ^= {group}
    assert living_groups(lines) == alive
