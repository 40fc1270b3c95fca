"""Detects that the parent process `make` was interrupted or killed.

GNU make forwards SIGTERM to its command, but not a SIGINT sent to make alone: it blocks further ones and
waits for its command to end. On Linux the blocked SIGINT is visible in `/proc/<pid>/status` and is treated as
a request to stop. On other systems only the end of make is detected.
"""

import os
import signal
from pathlib import Path

import psutil

MAKE_NAMES = {"make", "gmake"}
SIGINT_BIT = 1 << (signal.SIGINT - 1)


class MakeWatch:
    """Watches the parent process if it is make; any other parent is ignored."""

    def __init__(self) -> None:
        self._make_pid = os.getppid() if psutil.Process(os.getppid()).name() in MAKE_NAMES else None
        self._was_blocking = False

    def asks_to_stop(self) -> bool:
        """Whether make has ended, or blocked SIGINT in two calls in a row.

        One call is not enough: make blocks signals for an instant whenever it starts a command.
        """
        if self._make_pid is None:
            return False
        if os.getppid() != self._make_pid:
            return True
        was_blocking, self._was_blocking = self._was_blocking, blocks_sigint(self._make_pid)
        return was_blocking and self._was_blocking


def blocks_sigint(pid: int) -> bool:
    """Whether a process blocks SIGINT now; False if the system has no `/proc`."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    blocked = next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:"))
    return bool(int(blocked, 16) & SIGINT_BIT)
