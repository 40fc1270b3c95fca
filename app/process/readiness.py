"""Whether the service can do its work: tried out by a write, for all who ask within a second at once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from app.problems import UnavailableError
from worker.store import Store, is_disk_full

FRESH_S = 1.0  # many may ask, but the disk is written to once in this time
PATIENCE_S = 2.0  # less than those who ask usually have


class Readiness:
    """Tries a write in a thread of its own, which a silent database may hold up for as long as it likes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._trial: asyncio.Future[None] | None = None
        self._began_at = 0.0

    async def check(self) -> None:
        """Make sure that a write succeeds.

        Raises:
            UnavailableError: It does not, or not soon enough.
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
        """Try nothing any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _try(self) -> None:
        try:
            self._store.check()
        except Exception as error:
            if is_disk_full(error):  # whoever asks for readiness knows no other status than 503
                raise UnavailableError("the service's disk is full", code="disk_full") from error
            if isinstance(error, OSError):
                raise UnavailableError(
                    f"the data directory cannot be written to: {error.strerror}", code="not_writable"
                ) from error
            raise


def _note_error(trial: asyncio.Future[None]) -> None:
    """Keep the loop from complaining of an error that nobody waits for any more."""
    if not trial.cancelled():
        trial.exception()
