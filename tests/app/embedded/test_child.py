import itertools
import os
import re
import signal
import time

import psutil
import pytest

from app.embedded.child import LONGEST_DELAY_S, Child, Command, describe_end
from app.embedded.guard import Guard


@pytest.fixture
def guard():
    with Guard() as guard:
        yield guard


@pytest.fixture
def start(tmp_path, guard):
    children = []

    def start(script):
        command = Command("child", ["sh", "-c", script], dict(os.environ), tmp_path)
        child = Child(command, tmp_path / "logs" / "child.log", guard)
        child.keep_running()
        children.append(child)
        return child

    yield start
    for child in children:
        child.end(deadline=time.monotonic())


def numbers(tmp_path):
    """Process ids that children wrote into the file `pids`."""
    path = tmp_path / "pids"
    return [int(word) for word in re.findall(r"(\d+)\n", path.read_text())] if path.exists() else []


def test_a_killed_child_is_started_again_at_once(start, tmp_path, eventually):
    child = start("echo $$ >>pids; exec sleep 100")
    (first,) = eventually(lambda: numbers(tmp_path))
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not child.is_running)
    child.keep_running()
    assert child.is_running
    assert eventually(lambda: numbers(tmp_path)[1:]) != [first]
    assert child.number_of_ends == 1


def test_what_a_killed_child_had_started_is_killed_before_it_starts_again(start, tmp_path, eventually):
    child = start("sleep 100 & echo $! >>pids; wait")
    (grandchild,) = eventually(lambda: numbers(tmp_path))
    os.kill(psutil.Process(grandchild).ppid(), signal.SIGKILL)
    eventually(lambda: not child.is_running)
    assert psutil.pid_exists(grandchild)
    child.keep_running()
    eventually(lambda: not psutil.pid_exists(grandchild))


def test_a_child_that_keeps_ending_is_started_ever_less_often_but_never_given_up(start, eventually):
    child = start("exit 3")
    ends_at = []
    while len(ends_at) < 6:
        eventually(lambda: not child.is_running)
        before = child.number_of_ends
        child.keep_running()
        if child.number_of_ends > before:
            ends_at.append(time.monotonic())
        time.sleep(0.01)
    pauses = [later - earlier for earlier, later in itertools.pairwise(ends_at)]
    assert pauses[0] < 0.25 < pauses[-2] <= LONGEST_DELAY_S + 0.5
    assert pauses == sorted(pauses[:-1]) + pauses[-1:]


def test_output_goes_to_the_log_and_its_last_lines_are_shown(start, tmp_path, eventually):
    child = start("for i in $(seq 30); do echo line $i; done; echo oops >&2; exec sleep 100")
    eventually(lambda: "oops" in (tmp_path / "logs" / "child.log").read_text())
    assert child.last_output().splitlines()[0] == "line 12"
    assert child.last_output().splitlines()[-1] == "oops"


def test_a_child_asked_to_end_ends_by_itself_and_one_that_does_not_is_killed(start, tmp_path, eventually):
    polite = start("trap 'echo bye >>pids; exit 0' TERM; echo 1 >>pids; while :; do sleep 0.05; done")
    eventually((tmp_path / "pids").exists)
    polite.ask_to_end()
    polite.end(time.monotonic() + 10)
    assert "bye" in (tmp_path / "pids").read_text()

    deaf = start("trap '' TERM; echo 2 >>pids; while :; do sleep 0.05; done")
    eventually(lambda: "2\n" in (tmp_path / "pids").read_text())
    deaf.ask_to_end()
    deaf.end(time.monotonic() + 0.2)
    assert not deaf.is_running


def test_a_return_code_is_put_into_words():
    assert describe_end(1) == "status 1"
    assert describe_end(-signal.SIGKILL) == "SIGKILL"
