"""Server-sent events of a job."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from app.live.job_feed import JobFeed
from app.schemas.job_records import to_event
from app.tables.write import to_json
from worker.store import EventRecord, NotFound, StoreUnavailable
from worker.store.jobs.jobs import Jobs, JobVersion

RETRY_AFTER_S = 1.0
KEEP_ALIVE_S = 15
SEND_TIMEOUT_S = 60  # a reader that accepts nothing for this long is disconnected
PAGE = 100


class EventStream(EventSourceResponse):
    """Streams the events of a job with numbers above `after`, until the job has ended."""

    def __init__(self, jobs: Jobs, feed: JobFeed, job_id: str, after: int) -> None:
        super().__init__(
            _follow(jobs, feed, job_id, after), ping=KEEP_ALIVE_S, send_timeout=SEND_TIMEOUT_S, sep="\n"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send past events, then new ones as they happen; give up on a reader that stops reading."""
        with suppress(SendTimeoutError):
            await super().__call__(scope, receive, send)


def is_over(jobs: Jobs, job_id: str, after: int) -> bool:
    """Whether a job has ended and none of its events is numbered above `after`.

    Raises:
        NotFound: There is no such job.
    """
    job = jobs.get(job_id)
    return job.status.is_terminal and job.event_count <= after


async def _follow(jobs: Jobs, feed: JobFeed, job_id: str, after: int) -> AsyncIterator[ServerSentEvent]:
    with suppress(NotFound):  # deleted while it was followed
        while True:
            try:
                events = await run_in_threadpool(jobs.events, job_id, after, PAGE)
                has_ended = await run_in_threadpool(
                    is_over, jobs, job_id, events[-1].seq if events else after
                )
            except StoreUnavailable:
                await asyncio.sleep(RETRY_AFTER_S)
                continue
            for event in events:
                yield _to_message(event)
                after = event.seq
            if has_ended:
                return
            if len(events) < PAGE:
                await feed.wait_for(job_id, partial(_has_other_events, after))


def _has_other_events(count: int, current: JobVersion | None) -> bool:
    return current is None or current.event_count != count


def _to_message(event: EventRecord) -> ServerSentEvent:
    return ServerSentEvent(to_json(to_event(event)).decode(), event=event.type, id=str(event.seq))
