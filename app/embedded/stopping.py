"""Remembers that somebody asked the supervisor to stop."""

import signal
from types import FrameType

from app.embedded.make import MakeWatch


class StopWish:
    """Set by SIGINT, SIGTERM and SIGHUP, and by make where it started us.

    The handlers are installed whatever was inherited: a process that a script starts in the background
    inherits an ignored SIGINT.
    """

    def __init__(self) -> None:
        self._was_signalled = False
        self._make = MakeWatch()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    @property
    def is_set(self) -> bool:
        """Whether to stop; ask regularly, since make is only seen when looked at."""
        return self._was_signalled or self._make.asks_to_stop()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._was_signalled = True
