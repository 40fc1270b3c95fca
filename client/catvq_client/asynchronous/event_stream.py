"""Follows a job's event stream, and reconnects if the connection breaks."""

import asyncio
import time
from collections.abc import AsyncIterator

from httpx_sse import EventSource
from pydantic import ValidationError

from catvq_client.asynchronous.transport import AsyncTransport
from catvq_client.calls import RETRIED_STATUSES, Call
from catvq_client.errors import ApiError, NotReachableError, UnexpectedAnswerError
from catvq_client.records import Event

NOTHING_FOLLOWS = 204  # the job has ended, and all of its events were received
RECONNECT_S = 60.0  # long enough for a restart of the service
PAUSE_S = 0.5


async def follow_events(transport: AsyncTransport, path: str, after: int) -> AsyncIterator[Event]:
    """Yield the events at a path as they happen, until the job has ended.

    Args:
        after: Id of the last event received.

    Raises:
        NotReachableError: The service could not be reached for too long.
        ApiError: The service answered with an error.
    """
    reached_at = time.monotonic()
    while True:
        try:
            async for event in _stream(transport, path, after):
                if event is None:
                    return
                after, reached_at = event.id, time.monotonic()
                yield event
        except (NotReachableError, ApiError) as error:
            is_lasting = isinstance(error, ApiError) and error.status not in RETRIED_STATUSES
            if is_lasting or time.monotonic() - reached_at > RECONNECT_S:
                raise
        await asyncio.sleep(PAUSE_S)


async def _stream(transport: AsyncTransport, path: str, after: int) -> AsyncIterator[Event | None]:
    """Yield the events of one connection; None means that the job has ended."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    async with transport.stream(Call("GET", path, headers=headers)) as response:
        if response.status_code == NOTHING_FOLLOWS:
            yield None
            return
        async for message in EventSource(response).aiter_sse():
            if not message.data:  # a comment that keeps the connection alive
                continue
            try:
                yield Event.model_validate_json(message.data)
            except ValidationError as error:
                raise UnexpectedAnswerError(
                    f"{path}: an event cannot be read: {message.data[:100]}"
                ) from error
