"""Readiness check: tries a write at most once a second and shares the result."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from app.problems import UnavailableError
from worker.store import Store, is_disk_full

FRESH_S = 1.0  # the disk is written to at most once in this time, however many requests ask
PATIENCE_S = 2.0  # below the usual timeout of health checks


class Readiness:
    """Tries a write on its own thread, as a database that does not answer may block it for long."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._trial: asyncio.Future[None] | None = None
        self._began_at = 0.0

    async def check(self) -> None:
        """Check that a write succeeds.

        Raises:
            UnavailableError: It fails, or takes too long.
            StoreUnavailable: The database cannot be written to.
        """
        if self._trial is None or (self._trial.done() and monotonic() - self._began_at >= FRESH_S):
            self._began_at = monotonic()
            self._trial = asyncio.get_running_loop().run_in_executor(self._thread, self._try)
            self._trial.add_done_callback(_note_error)
        done, _ = await asyncio.wait({self._trial}, timeout=PATIENCE_S)
        if not done:
            raise UnavailableError(
                f"a write has not succeeded within {PATIENCE_S:g} s", code="store_unavailable"
            )
        self._trial.result()

    def close(self) -> None:
        """Stop checking."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _try(self) -> None:
        try:
            self._store.check()
        except Exception as error:
            if is_disk_full(error):  # health checks expect 503
                raise UnavailableError("the service's disk is full", code="disk_full") from error
            if isinstance(error, OSError):
                raise UnavailableError(
                    f"the data directory cannot be written to: {error.strerror}", code="not_writable"
                ) from error
            raise


def _note_error(trial: asyncio.Future[None]) -> None:
    """Mark the error as retrieved, so that asyncio does not log it if nobody waits any more."""
    if not trial.cancelled():
        trial.exception()
