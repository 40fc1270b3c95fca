# Written by synchronize.py from the module of the same name in asynchronous/; change that one.
"""Follows a job's events over one long connection, made again where it broke."""

import time
from collections.abc import Iterator

from httpx_sse import EventSource
from pydantic import ValidationError

from catvq_client.calls import RETRIED_STATUSES, Call
from catvq_client.errors import ApiError, NotReachableError, UnexpectedAnswerError
from catvq_client.records import Event
from catvq_client.synchronous.transport import Transport

NOTHING_FOLLOWS = 204  # the job has ended, and all of its events are known
RECONNECT_S = 60.0  # a service that is restarted is back by then
PAUSE_S = 0.5


def follow_events(transport: Transport, path: str, after: int) -> Iterator[Event]:
    """Yield the events at a path as they happen, until the job has ended.

    Args:
        after: Number of the last event that is known.

    Raises:
        NotReachableError: The service was away for too long.
        ApiError: The service refused.
    """
    reached_at = time.monotonic()
    while True:
        try:
            for event in _stream(transport, path, after):
                if event is None:
                    return
                after, reached_at = event.id, time.monotonic()
                yield event
        except (NotReachableError, ApiError) as error:
            is_lasting = isinstance(error, ApiError) and error.status not in RETRIED_STATUSES
            if is_lasting or time.monotonic() - reached_at > RECONNECT_S:
                raise
        time.sleep(PAUSE_S)


def _stream(transport: Transport, path: str, after: int) -> Iterator[Event | None]:
    """Yield the events of one connection; None means that none will follow."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    with transport.stream(Call("GET", path, headers=headers)) as response:
        if response.status_code == NOTHING_FOLLOWS:
            yield None
            return
        for message in EventSource(response).iter_sse():
            try:
                yield Event.model_validate_json(message.data)
            except ValidationError as error:
                raise UnexpectedAnswerError(
                    f"{path}: an event cannot be read: {message.data[:100]}"
                ) from error
