"""Renews the lease of a running job or piece of work, and reads what is asked of it."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Generic, Protocol, Self, TypeVar

from worker.store import LeaseLost, RequestedAction, StorageUnavailable, StoreUnavailable

LONGEST_INTERVAL_S = 0.5  # so that a cancelled job ends within a second
PAUSE_AFTER = 0.7  # of a lease without an answer: pause before another worker may claim the job
RETRY_AFTER_S = 0.5
TIME_TO_END_S = 0.5  # for work whose claim is gone; some of its steps take minutes and cannot be interrupted
STOPPED = "its worker was stopped"

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class Named(Protocol):
    """A claim."""

    @property
    def name(self) -> str:
        """For logs."""


Claimed = TypeVar("Claimed", bound=Named)
Renewed_contra = TypeVar("Renewed_contra", contravariant=True)


class Renewable(Protocol[Renewed_contra]):
    """Where claims are renewed: `Leases` those of jobs, `Pieces` those of pieces of work."""

    def heartbeat(self, claim: Renewed_contra, /) -> RequestedAction:
        """Extend a claim by a lease, and return what is asked."""

    def cancel(self, claim: Renewed_contra, /) -> None:
        """End a claim as was asked."""


class Heartbeat(Generic[Claimed]):
    """A thread that renews the lease of a claim; use it as a context manager around the work.

    It ends a cancelled claim itself, so that the user does not wait for a step that cannot be interrupted;
    the work then finds it lost. While the store does not answer, another worker may own it, so the work
    waits until the store answers.

    Work that goes on for long after its claim is gone is abandoned: nothing of it can be kept.

    Args:
        leases: Where the claim is renewed.
        claim: The claim of this process.
        lease_s: How long a claim is valid without renewal.
        is_stopping: Set when the job must be requeued, by this thread or by others.
        abandon: Called when the claim is gone and the work has not ended soon; ends the process.
    """

    def __init__(
        self,
        leases: Renewable[Claimed],
        claim: Claimed,
        *,
        lease_s: float,
        is_stopping: threading.Event,
        abandon: Callable[[], object] = lambda: None,
    ) -> None:
        self._leases = leases
        self._claim = claim
        self._answer_timeout_s = PAUSE_AFTER * lease_s
        self._interval_s = min(lease_s / 4, LONGEST_INTERVAL_S)
        self._last_answer = time.monotonic()
        self._is_taken = threading.Event()
        self._is_cancelled = threading.Event()
        self._is_stopping = is_stopping
        self._is_steered = threading.Event()
        self._is_over = threading.Event()
        self._abandon = abandon
        self._release: Callable[[], object] | None = None
        self._releasing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    @property
    def is_lost(self) -> bool:
        """Whether another worker owns the job, or may own it; then nothing may be written."""
        return self._is_taken.is_set() or time.monotonic() - self._last_answer > self._answer_timeout_s

    @property
    def is_cancelled(self) -> bool:
        """Whether this thread ended the job because its user cancelled it."""
        return self._is_cancelled.is_set()

    def should_stop(self) -> bool:
        """Whether the work must stop; blocks while the store does not answer."""
        while self.is_lost and not self._is_given_up:
            time.sleep(RETRY_AFTER_S)
        return self._is_stopping.is_set() or self._is_taken.is_set()

    def persist(self, write: Callable[[], Result]) -> Result:
        """Call `write`, again and again while the store does not answer.

        Raises:
            LeaseLost: Another worker has the job; nothing was written.
            StoreUnavailable: The job is lost, or may be lost while the worker is stopping; or it is stopping
                while an object storage does not answer.
        """
        while True:
            try:
                return write()
            except StoreUnavailable as error:
                # The lease is renewed while an object storage is away; a worker that must stop does not wait.
                is_storage = isinstance(error, StorageUnavailable)
                if self._is_given_up or (is_storage and self._is_stopping.is_set()):
                    raise
                if is_storage:
                    _log.warning("%s: waiting for the object storage: %s", self._claim.name, error)
                time.sleep(RETRY_AFTER_S)

    @contextmanager
    def nothing_to_save(self, release: Callable[[], object]) -> Iterator[None]:
        """Around work that begins again after a stop; it need not look whether it should stop.

        Args:
            release: Gives the claim back.
        """
        self._release = release
        try:
            yield
        finally:
            with self._releasing:
                self._release = None

    @property
    def _is_given_up(self) -> bool:
        return self._is_taken.is_set() or (self.is_lost and self._is_stopping.is_set())

    @property
    def is_steered(self) -> bool:
        """Whether a steering change has not been read yet."""
        return self._is_steered.is_set()

    def take_steering(self) -> bool:
        """Whether a steering change arrived since the last call; clears the flag."""
        is_steered = self._is_steered.is_set()
        self._is_steered.clear()
        return is_steered

    def _run(self) -> None:
        is_silent = False
        while not self._is_taken.is_set() and not self._is_over.wait(self._interval_s):
            try:
                if self._is_stopping.is_set():
                    self._release_unsaved()
                self._beat()
                is_silent = False
            except LeaseLost:
                self._is_taken.set()
            except StoreUnavailable as error:
                if not is_silent:  # log once, it may last for hours
                    _log.warning("%s: waiting for the database: %s", self._claim.name, error)
                is_silent = True
            except Exception:  # noqa: BLE001 - without this thread the training would never stop
                _log.exception("%s: the heartbeat failed", self._claim.name)
                self._is_taken.set()
        if not self._is_over.wait(TIME_TO_END_S):
            self._abandon()

    def _release_unsaved(self) -> None:
        with self._releasing:
            if self._release is not None:
                self._release()
                raise LeaseLost(f"{self._claim.name} was given back", code="lease_lost")

    def _beat(self) -> None:
        action = self._leases.heartbeat(self._claim)
        self._last_answer = time.monotonic()
        if action in {RequestedAction.DRAIN, RequestedAction.PAUSE}:
            self._is_stopping.set()
        elif action is RequestedAction.STEER:
            self._is_steered.set()
        elif action is RequestedAction.CANCEL:
            self._leases.cancel(self._claim)
            self._is_cancelled.set()
            self._is_taken.set()


@contextmanager
def stopped_by_sigterm() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM sets; it must surround the claim, too, so that no claimed job is lost.

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
