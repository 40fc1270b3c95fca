"""Long polls: a job is looked at until it changes."""

import asyncio
import re
from dataclasses import dataclass
from time import monotonic

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from worker.contract import JobStatus
from worker.store import JobRecord
from worker.store.jobs import Jobs

POLL_AFTER_S = "1"
MAX_WAIT_S = 60
LOOK_INTERVAL_S = 0.25  # a user does not notice it, and a thousand waiting ones cost little
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})(?:$|[,;\s])", re.IGNORECASE)


@dataclass(frozen=True)
class Seen:
    """A job at one moment."""

    job: JobRecord
    position: int | None

    @property
    def tag(self) -> str:
        """An entity tag that changes with everything a user can see."""
        return f'"{self.job.version}-{self.position or 0}"'


def look(jobs: Jobs, job_id: str) -> Seen:
    """Return how a job stands.

    Raises:
        NotFound: There is none.
    """
    job = jobs.get(job_id)
    return Seen(job, position_of(jobs, job))


def position_of(jobs: Jobs, job: JobRecord) -> int | None:
    """Return a job's place in the queue, asking the database only when it can have one."""
    return jobs.queue_position(job.id) if job.status is JobStatus.QUEUED else None


def wished_wait_s(prefer: str | None) -> int | None:
    """Return how long a `Prefer: wait=N` header wants to wait, at most `MAX_WAIT_S`."""
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), MAX_WAIT_S) if found else None


async def wait_for_change(request: Request, jobs: Jobs, seen: Seen, wait_s: float) -> Seen:
    """Return the job once it differs from `seen`, has ended, or the time is over."""
    deadline = monotonic() + wait_s
    current = seen
    while current.tag == seen.tag and not current.job.status.is_terminal and monotonic() < deadline:
        await asyncio.sleep(min(LOOK_INTERVAL_S, max(0.0, deadline - monotonic())))
        if await request.is_disconnected():
            break
        current = await run_in_threadpool(look, jobs, seen.job.id)
    return current
