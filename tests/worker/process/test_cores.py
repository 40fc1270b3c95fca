import os
import subprocess
import sys

import joblib
import pytest

from worker.process import cores


@pytest.fixture
def running(tmp_path, monkeypatch):
    """Stands for the system's count of threads that run, this one included."""
    monkeypatch.setattr(cores, "LOAD", tmp_path / "loadavg")

    def write(number):
        (tmp_path / "loadavg").write_text(f"0.20 0.18 0.12 {number}/512 4711\n")

    return write


def test_an_idle_machine_gives_all_cores_that_the_process_may_use(running):
    running(1)
    assert cores.find_free_cores() == joblib.cpu_count()


@pytest.mark.parametrize("busy", [0, 7])
def test_a_busy_machine_gives_one(running, busy):
    running(1 + os.cpu_count() + busy)
    assert cores.find_free_cores() == 1


def test_where_no_system_tells_all_cores_count_as_free(running):
    assert cores.find_free_cores() == joblib.cpu_count()


def test_busy_loops_are_noticed():
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count())]
    try:
        assert cores.find_free_cores() == 1
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
