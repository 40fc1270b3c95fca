"""Keeps a claimed job alive while it trains, and hears what is wished of it."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self, TypeVar

from worker.store import Claim, LeaseLost, StoreUnavailable, Wish
from worker.store.jobs.leases import Leases

LONGEST_INTERVAL_S = 0.5  # a cancelled job shall end within a second
PAUSE_AFTER = 0.7  # of a lease without an answer: pause before another worker starts
RETRY_AFTER_S = 0.5

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class Heartbeat:
    """A thread that renews the lease of a claim; use it as a context manager around the training.

    A cancelled job is ended here, so that its user does not wait for a step that cannot be interrupted; the
    training then finds the job lost. While the store does not answer, the job may be another's: nothing goes
    on, and once the store answers it says whose the job is.

    Args:
        leases: Where the claim is renewed.
        claim: What is held.
        lease_s: How long it holds without a renewal.
        is_stopping: Set when the job shall be put back into the queue, by this thread or by others.
    """

    def __init__(self, leases: Leases, claim: Claim, *, lease_s: float, is_stopping: threading.Event) -> None:
        self._leases = leases
        self._claim = claim
        self._patience_s = PAUSE_AFTER * lease_s
        self._interval_s = min(lease_s / 4, LONGEST_INTERVAL_S)
        self._last_answer = time.monotonic()
        self._is_taken = threading.Event()
        self._is_cancelled = threading.Event()
        self._is_stopping = is_stopping
        self._is_steered = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    @property
    def is_lost(self) -> bool:
        """Whether the job is another's by now, or may be: nothing may be written."""
        return self._is_taken.is_set() or time.monotonic() - self._last_answer > self._patience_s

    @property
    def is_cancelled(self) -> bool:
        """Whether the job was ended because its user cancelled it."""
        return self._is_cancelled.is_set()

    def should_stop(self) -> bool:
        """Whether training must not take another step, for whatever reason; waits while that is not known."""
        while self.is_lost and not self._is_given_up:
            time.sleep(RETRY_AFTER_S)
        return self._is_stopping.is_set() or self._is_taken.is_set()

    def persist(self, write: Callable[[], Result]) -> Result:
        """Write, and where the store does not answer, again until it does.

        Raises:
            LeaseLost: The job was given to another worker; nothing was written.
            StoreUnavailable: The job is lost, or the worker is to stop and the job may be lost.
        """
        while True:
            try:
                return write()
            except StoreUnavailable:
                if self._is_given_up:
                    raise
                time.sleep(RETRY_AFTER_S)

    @property
    def _is_given_up(self) -> bool:
        return self._is_taken.is_set() or (self.is_lost and self._is_stopping.is_set())

    @property
    def is_steered(self) -> bool:
        """Whether the user changed something that has not been looked at yet."""
        return self._is_steered.is_set()

    def take_steering(self) -> bool:
        """Whether the user changed something since this was last asked."""
        is_steered = self._is_steered.is_set()
        self._is_steered.clear()
        return is_steered

    def _run(self) -> None:
        is_silent = False
        while not self._is_taken.is_set() and not self._is_over.wait(self._interval_s):
            try:
                self._beat()
                is_silent = False
            except LeaseLost:
                self._is_taken.set()
            except StoreUnavailable as error:
                if not is_silent:  # it may last for hours
                    _log.warning("job %s: waiting for the database: %s", self._claim.job.id, error)
                is_silent = True
            except Exception:  # noqa: BLE001 - a dead heartbeat would let the training run on unseen
                _log.exception("job %s: the heartbeat failed", self._claim.job.id)
                self._is_taken.set()

    def _beat(self) -> None:
        wish = self._leases.heartbeat(self._claim)
        self._last_answer = time.monotonic()
        if wish in {Wish.DRAIN, Wish.PAUSE}:
            self._is_stopping.set()
        elif wish is Wish.STEER:
            self._is_steered.set()
        elif wish is Wish.CANCEL:
            self._leases.cancel(self._claim)
            self._is_cancelled.set()
            self._is_taken.set()


@contextmanager
def stopped_by_sigterm() -> Iterator[threading.Event]:
    """Give an event that SIGTERM sets, so that work is saved; let it surround the claiming of work, too.

    A service manager sends SIGTERM to every process of a worker at once.
    """
    is_stopping = threading.Event()

    def react(_number: int, _frame: FrameType | None) -> None:
        is_stopping.set()

    previous = signal.signal(signal.SIGTERM, react)
    try:
        yield is_stopping
    finally:
        signal.signal(signal.SIGTERM, previous)
