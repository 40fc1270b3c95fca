"""Ends the service's processes when their supervisor is killed and cannot do so itself.

The module is also the program that does it. Its standard input is a pipe from the supervisor, which tells
there, one a line, of each process group that starts (`+123`) and ends (`-123`). The pipe's end means that the
supervisor is gone.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Self


class Guard:
    """The supervisor's end of the pipe; a context manager, started again should it be killed.

    Args:
        held: Descriptors that the program keeps open as well: a lock is then released only when the processes
            are gone.
    """

    def __init__(self, *held: int) -> None:
        self._held = held
        self._groups: set[int] = set()
        self._process = self._start()

    def __enter__(self) -> Self:
        """Guard from now on."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop guarding: whatever still runs is ended."""
        with suppress(BrokenPipeError):
            self._process.communicate()

    def add(self, group: int) -> None:
        """Guard a process group that has started."""
        self._groups.add(group)
        self._tell(f"+{group}")

    def remove(self, group: int) -> None:
        """Forget a process group that has ended."""
        self._groups.discard(group)
        self._tell(f"-{group}")

    def keep_running(self) -> None:
        """Start the program again if it has ended."""
        if self._process.poll() is not None:
            self._process.communicate()
            self._process = self._start()
            for group in self._groups:
                self._tell(f"+{group}")

    def _start(self) -> "subprocess.Popen[str]":
        # A process group of its own: what a terminal or `kill` sends to the supervisor's group passes it by.
        return subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            process_group=0,
            pass_fds=self._held,
        )

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended: keep_running tells its successor
            print(line, file=self._process.stdin, flush=True)


def living_groups(lines: Iterable[str]) -> set[int]:
    """Return the process groups that were started and not ended when `lines` come to their end."""
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
