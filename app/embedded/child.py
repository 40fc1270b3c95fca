"""A child process of the supervisor that is restarted whenever it ends."""

import logging
import os
import signal
import subprocess
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

from app.embedded.guard import Guard

LOG_SIZE_BYTES = 10 * 1024 * 1024
LOG_COUNT = 3
LINES_SHOWN = 20
COPY_TIMEOUT_S = 2.0  # for the last output, once the process group is gone

# A process that ran this long is restarted at once. One that ends sooner is restarted with a growing delay,
# but a short one: after a single kill the service must be back within five seconds.
STABLE_S = 10.0
FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 2.0

_log = logging.getLogger("catvq")


@dataclass(frozen=True)
class Command:
    """A command line with its environment and working directory.

    It runs in its own process group, so that the processes it starts can be ended with it.
    """

    name: str
    words: list[str]
    environment: dict[str, str]
    directory: Path | None = None


class Child:
    """Keeps a command running and writes its output to a log file.

    Args:
        command: The command.
        log_path: Log file; it is rotated by size.
        guard: Is notified of each process group that starts and ends.
    """

    def __init__(self, command: Command, log_path: Path, guard: Guard) -> None:
        self.command = command
        self._log_path = log_path
        log_path.parent.mkdir(parents=True, exist_ok=True)
        log_path.touch()
        self.number_of_ends = 0
        self._guard = guard
        self._process: subprocess.Popen[str] | None = None
        self._copier: threading.Thread | None = None
        self._started_at = 0.0
        self._start_not_before = 0.0
        self._delay_s = 0.0

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def keep_running(self) -> None:
        """Start the process if it is not running and the restart delay is over."""
        if self.is_running:
            return
        if self._process is not None:
            self._clear_away(self._process)
        if time.monotonic() >= self._start_not_before:
            self._start()

    def ask_to_end(self) -> None:
        """Send SIGTERM to the process only; it ends its own children itself."""
        if self._process is not None and self.is_running:
            self._process.terminate()

    def end(self, deadline: float) -> None:
        """Wait for the process until `deadline` (monotonic), then kill the rest of its process group."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("%s did not stop in time and is killed", self.command.name)
        self._kill_group(self._process)
        self._process = None

    def last_output(self) -> str:
        """Return the last lines of the log file."""
        lines = self._log_path.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LINES_SHOWN:])

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self.command.words,
            cwd=self.command.directory,
            env=self.command.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
        )
        self._guard.add(self._process.pid)
        self._started_at = time.monotonic()
        self._copier = threading.Thread(
            target=_copy, args=(self._process.stdout, self._log_path), daemon=True
        )
        self._copier.start()

    def _clear_away(self, process: subprocess.Popen[str]) -> None:
        _log.warning("%s ended with %s and is restarted", self.command.name, describe_end(process.returncode))
        self._kill_group(process)
        self._process = None
        self.number_of_ends += 1
        now = time.monotonic()
        if now - self._started_at >= STABLE_S:
            self._delay_s = 0.0
        self._start_not_before = now + self._delay_s
        self._delay_s = min(max(FIRST_DELAY_S, 2 * self._delay_s), LONGEST_DELAY_S)

    def _kill_group(self, process: subprocess.Popen[str]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if self._copier is not None:
            self._copier.join(COPY_TIMEOUT_S)
        self._guard.remove(process.pid)


def describe_end(return_code: int) -> str:
    """Describe a return code: `status 1`, or `SIGKILL` for a process ended by a signal."""
    return signal.Signals(-return_code).name if return_code < 0 else f"status {return_code}"


def _copy(stream: IO[str], path: Path) -> None:
    handler = RotatingFileHandler(path, maxBytes=LOG_SIZE_BYTES, backupCount=LOG_COUNT, encoding="utf-8")
    with stream, closing(handler):
        for line in stream:
            handler.emit(logging.makeLogRecord({"msg": line.rstrip("\n")}))
