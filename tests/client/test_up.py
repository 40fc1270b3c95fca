import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

CHILD = """
import signal, sys, time
got = []
def note(number, frame):
    got.append(number)
    print("got", signal.Signals(number).name, flush=True)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, note)
print("ready", flush=True)
while not got:
    time.sleep(0.05)
time.sleep(0.3)
sys.exit(3)
"""
FOREGROUND = (
    "import sys; from catvq_client.commands.up import run_in_foreground as r; sys.exit(r(sys.argv[1:]))"
)


@pytest.fixture
def foreground():
    command = [sys.executable, "-c", FOREGROUND, sys.executable, "-c", CHILD]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_reaches_the_server_and_its_exit_status_comes_back(foreground, name):
    foreground.send_signal(getattr(signal, name))
    assert foreground.communicate(timeout=10)[0] == f"got {name}\n"
    assert foreground.returncode == 3


def test_ctrl_c_on_a_terminal_reaches_the_server_through_us_alone(foreground):
    (server,) = psutil.Process(foreground.pid).children()
    assert os.getsid(server.pid) != os.getsid(foreground.pid)
    os.killpg(foreground.pid, signal.SIGINT)
    assert foreground.communicate(timeout=10)[0] == "got SIGINT\n"


def test_a_server_that_was_killed_is_reported_as_shells_do():
    command = [sys.executable, "-c", FOREGROUND, "sh", "-c", "kill -9 $$"]
    assert subprocess.run(command, check=False).returncode == 128 + 9


def test_a_signal_that_comes_while_the_server_starts_is_not_lost():
    script = f"""
import os, signal, subprocess, sys
from catvq_client.commands import up
start = subprocess.Popen.__init__
def slow(self, *arguments, **options):
    start(self, *arguments, **options)
    os.kill(os.getpid(), signal.SIGTERM)
    import time; time.sleep(0.5)
subprocess.Popen.__init__ = slow
sys.exit(up.run_in_foreground([sys.executable, "-c", {CHILD!r}]))
"""
    started = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=30)
    before_or_after_its_own_handler = {128 + signal.SIGTERM, 3}
    assert ended.returncode in before_or_after_its_own_handler, ended.stderr
    assert time.monotonic() - started < 20


def test_without_the_server_up_says_how_to_install_it(tmp_path):
    client = Path(__file__).parents[2] / "client"
    script = f"""
import sys
sys.path[:] = [{str(client)!r}] + [place for place in sys.path if "/lib/" in place]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
sys.argv = ["catvq", "up"]
from catvq_client.cli import main
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: the service is not installed")
    assert "pip install" in ended.stderr


def test_with_the_core_alone_up_says_so_too(tmp_path):
    script = """
import importlib.util, sys
from catvq_client.commands import up
up.find_spec = lambda name: None if name == "fastapi" else importlib.util.find_spec(name)
sys.argv = ["catvq", "up"]
from catvq_client.cli import main
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: the service is not installed")
