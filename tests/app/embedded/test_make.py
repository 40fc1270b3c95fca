import os
import shutil
import signal
import subprocess
import sys

import pytest

from app.embedded.make import MakeWatch, blocks_sigint

WATCHER = """
import time
from app.embedded.make import MakeWatch
watch = MakeWatch()
print("watching", flush=True)
while not watch.asks_to_stop():
    time.sleep(0.05)
print("asked to stop", flush=True)
"""

ASK_TWICE = """
from app.embedded.make import MakeWatch
watch = MakeWatch()
print(watch.asks_to_stop(), watch.asks_to_stop())
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="make's mask of signals is seen on Linux only"
)


@pytest.fixture
def make(tmp_path):
    (tmp_path / "watcher.py").write_text(WATCHER)
    (tmp_path / "Makefile").write_text(f"up:\n\t@exec {sys.executable} watcher.py\n")
    command = [shutil.which("make"), "up"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "watching\n"
            yield process
        finally:
            process.kill()


def test_an_interrupt_sent_to_make_alone_is_noticed(make):
    make.send_signal(signal.SIGINT)
    assert make.stdout.readline() == "asked to stop\n"
    assert make.wait(10) != 0


def test_the_end_of_make_is_noticed(make):
    make.kill()
    assert make.stdout.readline() == "asked to stop\n"


def test_a_parent_that_is_not_make_may_block_what_it_likes():
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        assert blocks_sigint(os.getpid())
        shown = subprocess.run([sys.executable, "-c", ASK_TWICE], capture_output=True, text=True, check=True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    assert shown.stdout == "False False\n"
    assert not blocks_sigint(os.getpid())
    assert not MakeWatch().asks_to_stop()


def test_one_glimpse_of_a_blocked_interrupt_is_not_a_wish(monkeypatch):
    watch = MakeWatch()
    monkeypatch.setattr(watch, "_make_pid", os.getppid())
    glimpses = iter([False, True, False, True, True])
    monkeypatch.setattr("app.embedded.make.blocks_sigint", lambda _pid: next(glimpses))
    assert [watch.asks_to_stop() for _ in range(5)] == [False, False, False, False, True]
