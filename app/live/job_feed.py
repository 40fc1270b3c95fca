"""Wakes those who wait for news of jobs: one query at a time serves all of them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.concurrency import run_in_threadpool

from worker.store import StoreUnavailable
from worker.store.jobs.jobs import Jobs, JobVersion

LOOK_INTERVAL_S = 0.25  # nobody notices it

IsNews = Callable[[JobVersion | None], bool]


class JobFeed:
    """Looks at all jobs that anybody waits for, several times a second, as long as anybody does.

    Those who wait need neither a thread nor the database meanwhile.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._waiting: dict[asyncio.Event, tuple[str, IsNews]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def wait_for(self, job_id: str, is_news: IsNews) -> None:
        """Wait until a job stands in a way that is news; None is how a job stands that is gone."""
        news = asyncio.Event()
        self._waiting[news] = (job_id, is_news)
        try:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            await news.wait()
        finally:
            del self._waiting[news]

    async def _look(self) -> None:
        while self._waiting:
            await asyncio.sleep(LOOK_INTERVAL_S)
            followed = {job_id for job_id, _ in self._waiting.values()}
            with suppress(StoreUnavailable):  # those who wait do so until it is back
                versions = await run_in_threadpool(self._jobs.versions, followed)
                for news, (job_id, is_news) in self._waiting.items():
                    # Whoever came during the query waits for the next one.
                    if job_id in followed and is_news(versions.get(job_id)):
                        news.set()
