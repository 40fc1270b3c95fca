"""Stop requests to the supervisor: SIGINT, SIGTERM, SIGHUP, or an interrupted `make`."""

import signal
from types import FrameType

from app.embedded.make import MakeWatch


class StopRequest:
    """Is set by SIGINT, SIGTERM and SIGHUP, and if the parent process `make` was interrupted or killed.

    The handlers replace inherited ones: a process that a script starts in the background inherits an ignored
    SIGINT.
    """

    def __init__(self) -> None:
        self._was_signalled = False
        self._make = MakeWatch()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    @property
    def is_set(self) -> bool:
        """Whether to stop; must be polled, since make is only checked here."""
        return self._was_signalled or self._make.asks_to_stop()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._was_signalled = True
