"""Wakes requests that wait for changes of jobs; one database query serves all of them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.concurrency import run_in_threadpool

from worker.store import StoreUnavailable
from worker.store.jobs.jobs import Jobs, JobVersion

POLL_INTERVAL_S = 0.25

HasChanged = Callable[[JobVersion | None], bool]


class JobFeed:
    """Polls the database for all jobs that are waited for, while there are any.

    A waiting request holds neither a thread nor a database connection.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._waiting: dict[asyncio.Event, tuple[str, HasChanged]] = {}
        self._polling: asyncio.Task[None] | None = None

    async def wait_for(self, job_id: str, has_changed: HasChanged) -> None:
        """Wait until `has_changed` is true of the job's state; it is called with None for a deleted job."""
        change = asyncio.Event()
        self._waiting[change] = (job_id, has_changed)
        try:
            if self._polling is None or self._polling.done():
                self._polling = asyncio.create_task(self._poll())
            await change.wait()
        finally:
            del self._waiting[change]

    async def _poll(self) -> None:
        while self._waiting:
            await asyncio.sleep(POLL_INTERVAL_S)
            followed = {job_id for job_id, _ in self._waiting.values()}
            with suppress(StoreUnavailable):  # those who wait do so until it is back
                versions = await run_in_threadpool(self._jobs.versions, followed)
                for change, (job_id, has_changed) in self._waiting.items():
                    # Whoever came during the query waits for the next one.
                    if job_id in followed and has_changed(versions.get(job_id)):
                        change.set()
