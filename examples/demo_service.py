"""Runs the whole service in a child process for as long as the demonstration needs it."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)
READY = "catvq is ready on "
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.1
SHOWN_LINES = 15


class ServiceError(Exception):
    """The service did not start."""


@contextmanager
def running_service(directory: Path) -> Iterator[str]:
    """Start the service on a free port, yield its address, and leave no process behind.

    Args:
        directory: An empty one, for its data and logs.

    Raises:
        ServiceError: It ended or said nothing within a minute.
    """
    said, log = directory / "stdout.txt", directory / "stderr.txt"
    command = [sys.executable, "-m", "app.embedded", "--port", "0", "--data", str(directory / "data")]
    with said.open("w") as stdout, log.open("w") as stderr:
        # A session of its own: Ctrl-C is for this program, which then stops the service in order.
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, start_new_session=True)
    try:
        yield _wait_until_ready(process, said)
    except Exception:
        _show_logs(directory)
        raise
    finally:
        _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], said: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        for line in said.read_text().splitlines():
            if line.startswith(READY):
                return line.removeprefix(READY).strip()
        if process.poll() is not None:
            raise ServiceError(f"the service ended with exit status {process.returncode}")
        time.sleep(POLL_S)
    raise ServiceError(f"the service was not ready after {START_TIMEOUT_S:g} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    # A second Ctrl-C while stopping would leave processes behind.
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING_SIGNALS}
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in family:
        if child.is_running():
            child.kill()
    for number, handler in previous.items():
        signal.signal(number, handler)


def _show_logs(directory: Path) -> None:
    for path in [*sorted(directory.rglob("*.log")), directory / "stderr.txt"]:
        lines = path.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        sys.stderr.write(f"--- the end of {path.name}\n" + "".join(f"{line}\n" for line in lines))
