"""Long polls: a response about a job waits until the job changes."""

import asyncio
import re
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from app.live.job_feed import JobFeed
from worker.contract.job_config import JobStatus
from worker.store import JobRecord
from worker.store.jobs.jobs import Jobs, JobVersion

POLL_AFTER_S = "1"
MAX_WAIT_S = 60
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})(?:$|[,;\s])", re.IGNORECASE)


@dataclass(frozen=True)
class JobSnapshot:
    """A job and its place in the queue at one moment."""

    job: JobRecord
    position: int | None

    @property
    def tag(self) -> str:
        """An entity tag that changes whenever anything visible to users changes."""
        return f'"{self.job.version}-{self.position or 0}"'

    def differs_from(self, current: JobVersion | None) -> bool:
        """Whether the job stands otherwise by now."""
        return current is None or (current.version, current.position) != (self.job.version, self.position)


def take_snapshot(jobs: Jobs, job_id: str) -> JobSnapshot:
    """Read a job and its place in the queue.

    Raises:
        NotFound: There is no such job.
    """
    job = jobs.get(job_id)
    return JobSnapshot(job, position_of(jobs, job))


def position_of(jobs: Jobs, job: JobRecord) -> int | None:
    """Return a job's place in the queue; None, without a query, if the job is not queued."""
    return jobs.queue_position(job.id) if job.status is JobStatus.QUEUED else None


def requested_wait_s(prefer: str | None) -> int | None:
    """Return the seconds of a `Prefer: wait=N` header, at most `MAX_WAIT_S`; None without one."""
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), MAX_WAIT_S) if found else None


async def wait_for_change(
    request: Request, jobs: Jobs, feed: JobFeed, seen: JobSnapshot, wait_s: float
) -> JobSnapshot:
    """Return the job once it differs from `seen`, has ended, the time is up or the client disconnects."""
    if seen.job.status.is_terminal:
        return seen
    waiting = {
        asyncio.create_task(feed.wait_for(seen.job.id, seen.differs_from)),
        asyncio.create_task(_wait_for_hang_up(request)),
    }
    try:
        await asyncio.wait(waiting, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    return await run_in_threadpool(take_snapshot, jobs, seen.job.id)


async def _wait_for_hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
