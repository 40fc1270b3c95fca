"""A thread of every worker that requeues lost jobs, announces waiting ones and removes expired data."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from worker.contract.announcer import Announcer
from worker.contract.settings import WorkerSettings
from worker.process.devices import find_devices
from worker.process.liveness_lock import dead_holder, process_prefix, remove_abandoned
from worker.process.memory import find_memory_bytes
from worker.store import Store, StoreUnavailable, WorkerRecord
from worker.store.jobs.worker_registry import REPORT_EVERY_S

TIDY_INTERVAL_S = 60.0

_log = logging.getLogger(__name__)


class Reconciler:
    """Requeues the jobs of dead workers and announces waiting jobs whose message was lost.

    Every worker runs one, and they may run at the same time. A failure is logged and retried in the next
    round.

    Args:
        process_id: Of the worker.
    """

    def __init__(self, store: Store, settings: WorkerSettings, *, process_id: int) -> None:
        self._store = store
        self._settings = settings
        self._process_id = process_id
        self._since = datetime.now(UTC)
        self._announcer = Announcer(settings.redis_url)
        self._is_draining = threading.Event()
        self._is_over = threading.Event()
        self._wake = threading.Event()
        self._last_errors: dict[str, str] = {}
        self._devices: tuple[str, ...] | None = None
        self._next_tidying = self._next_report = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        """Start the thread; the first round runs at once."""
        self._settings.workers_dir.mkdir(parents=True, exist_ok=True)
        remove_abandoned(self._settings.workers_dir)
        self._thread.start()

    def drain(self) -> None:
        """Ask this worker's job processes to save and requeue their jobs; stop announcing."""
        self._is_draining.set()
        self._wake.set()

    def stop(self) -> None:
        """End the thread."""
        self._is_over.set()
        self._wake.set()
        self._thread.join()
        self._announcer.close()
        with suppress(StoreUnavailable):  # it is forgotten a moment later
            self._store.workers.leave(self._settings.worker_name)

    def _run(self) -> None:
        while not self._is_over.is_set():
            self._attempt("reporting this worker", self._report)
            if self._is_draining.is_set():
                self._attempt("draining", self._drain)
            self._attempt("looking for dead workers", self._release_dead_workers)
            self._attempt("looking for expired leases", self._expire_leases)
            if time.monotonic() >= self._next_tidying:
                self._next_tidying = time.monotonic() + TIDY_INTERVAL_S
                self._attempt("removing expired data", self._tidy)
            if not self._is_draining.is_set():
                self._attempt("announcing waiting jobs", self._announce)
            self._wake.wait(self._settings.reconcile_interval_s)
            self._wake.clear()

    def _attempt(self, what: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - the database or the broker may be down for a while
            message = f"{type(error).__name__}: {error}"
            if self._last_errors.get(what) != message:
                _log.warning("%s failed and will be retried: %s", what, message)
            self._last_errors[what] = message
        else:
            if self._last_errors.pop(what, None) is not None:
                _log.info("%s succeeded again", what)

    def _report(self) -> None:
        if time.monotonic() < self._next_report:
            return
        self._devices = self._devices or find_devices()
        self._store.workers.report(
            WorkerRecord(
                name=self._settings.worker_name,
                since=self._since,
                reported_at=datetime.now(UTC),
                devices=self._devices,
                memory_bytes=find_memory_bytes(),
            )
        )
        self._next_report = time.monotonic() + REPORT_EVERY_S

    def _drain(self) -> None:
        prefix = process_prefix(self._settings.worker_name, self._process_id)
        self._store.outbox.drain_workers(prefix)
        self._store.pieces.drain_workers(prefix)

    def _release_dead_workers(self) -> None:
        for name in self._store.outbox.held_jobs().keys() | self._store.pieces.busy_workers():
            with dead_holder(self._settings.workers_dir, name) as is_dead:
                if is_dead:
                    self._store.pieces.release_worker(name)
                    for job_id in self._store.outbox.release_worker(name):
                        _log.warning("job %s was requeued: %s died", job_id, name)

    def _expire_leases(self) -> None:
        self._store.pieces.expire_leases()
        for job_id in self._store.outbox.expire_leases():
            _log.warning("job %s was requeued: its worker stopped answering", job_id)

    def _tidy(self) -> None:
        for identifier in self._store.retention.expire():
            _log.info("%s expired and was removed", identifier)
        for key in self._store.retention.remove_orphans():
            _log.warning("%s was left by a process that died, and was removed", key)
        self._store.reserve.refill()

    def _announce(self) -> None:
        """Send a message for each waiting job that lacks one; a message may serve any of the jobs."""
        queued = self._store.outbox.count_queued()
        if queued == 0:
            self._announce_piece()
            return
        missing = queued - self._announcer.count_waiting()
        if missing > 0:
            for job_id in self._store.outbox.take_due(missing):
                self._announcer.announce(job_id)

    def _announce_piece(self) -> None:
        """Send a message for a due piece of work when no job is waiting."""
        owner_id = self._store.pieces.first_due()
        if owner_id is not None and self._announcer.count_waiting() == 0:
            self._announcer.announce(owner_id)
