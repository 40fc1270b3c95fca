"""Notices that `make`, which started us, is asked to stop.

GNU make passes SIGTERM on to the commands it runs, but keeps a SIGINT sent to make alone to itself: it blocks
further ones and waits for its command to end by itself. That block is visible from outside on Linux, in
`/proc/<pid>/status`, and is taken for a wish to stop. Elsewhere only the end of make is noticed.
"""

import os
import signal
from pathlib import Path

import psutil

MAKE_NAMES = {"make", "gmake"}
SIGINT_BIT = 1 << (signal.SIGINT - 1)


class MakeWatch:
    """Watches the parent process, where that is make; any other parent may do what it likes."""

    def __init__(self) -> None:
        self._make_pid = os.getppid() if psutil.Process(os.getppid()).name() in MAKE_NAMES else None
        self._was_blocking = False

    def asks_to_stop(self) -> bool:
        """Whether make is gone, or blocked SIGINT in two calls in a row.

        Once is not enough: make blocks signals for an instant whenever it starts a command.
        """
        if self._make_pid is None:
            return False
        if os.getppid() != self._make_pid:
            return True
        was_blocking, self._was_blocking = self._was_blocking, blocks_sigint(self._make_pid)
        return was_blocking and self._was_blocking


def blocks_sigint(pid: int) -> bool:
    """Whether a process blocks SIGINT now; False where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    blocked = next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:"))
    return bool(int(blocked, 16) & SIGINT_BIT)
