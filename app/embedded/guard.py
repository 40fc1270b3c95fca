"""Kills the service's processes if their supervisor is killed.

The module is also the program that does it. Its standard input is a pipe from the supervisor, which writes a
line for each process group that starts (`+123`) or ends (`-123`). End of file means that the supervisor is
dead.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Self


class Guard:
    """The supervisor's side of the guard program; a context manager.

    Args:
        held: File descriptors that the program inherits: a lock on one of them is released only when the
            service's processes are dead.
    """

    def __init__(self, *held: int) -> None:
        self._held = held
        self._groups: set[int] = set()
        self._process = self._start()

    def __enter__(self) -> Self:
        """Return the running guard."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the guard program; it kills the process groups that are still registered."""
        with suppress(BrokenPipeError):
            self._process.communicate()

    def add(self, group: int) -> None:
        """Register a process group that has started."""
        self._groups.add(group)
        self._write(f"+{group}")

    def remove(self, group: int) -> None:
        """Unregister a process group that has ended."""
        self._groups.discard(group)
        self._write(f"-{group}")

    def keep_running(self) -> None:
        """Restart the guard program if it has ended."""
        if self._process.poll() is not None:
            self._process.communicate()
            self._process = self._start()
            for group in self._groups:
                self._write(f"+{group}")

    def _start(self) -> "subprocess.Popen[str]":
        # Its own process group, so that signals to the supervisor's group do not reach it.
        return subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            process_group=0,
            pass_fds=self._held,
        )

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended: keep_running repeats the lines for its successor
            print(line, file=self._process.stdin, flush=True)


def living_groups(lines: Iterable[str]) -> set[int]:
    """Return the process groups that `lines` report as started and not as ended."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    return groups


if __name__ == "__main__":
    for living_group in living_groups(sys.stdin):
        with suppress(ProcessLookupError):
            os.killpg(living_group, signal.SIGKILL)
