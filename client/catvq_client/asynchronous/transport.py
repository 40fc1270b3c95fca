"""Sends requests for all resources: API key, retries, error responses."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager

import httpx

from catvq_client.calls import (
    MAX_ATTEMPTS,
    Call,
    RecordT,
    api_error,
    items_of,
    pause_after_refusal_s,
    pause_s,
    read_json,
    read_record,
    validated,
)
from catvq_client.connection import Connection
from catvq_client.errors import UnexpectedAnswerError
from catvq_client.picture import MEDIA_TYPES, Picture, PictureKind


class AsyncTransport(Connection[httpx.AsyncClient]):
    """A connection pool to one service; see `Connection` for what is repeated."""

    client_type = httpx.AsyncClient

    async def close(self) -> None:
        """Close all connections."""
        await self.http.aclose()

    async def record(self, record_type: type[RecordT], call: Call) -> RecordT:
        """Send a request and return the response as a record."""
        return read_record(record_type, await self.send(call))

    async def picture(self, path: str, kind: PictureKind) -> Picture:
        """Return what is at a path as a picture."""
        call = Call("GET", path, headers={"Accept": MEDIA_TYPES[kind]})
        return Picture((await self.send(call)).content, kind)

    async def records(self, record_type: type[RecordT], call: Call) -> AsyncIterator[RecordT]:
        """Yield the items of a list, page by page."""
        following: Call | None = call
        while following is not None:
            response = await self.send(following)
            for item in items_of(read_json(response), following.path):
                yield validated(record_type, item, following.path)
            link = response.links.get("next", {}).get("url")
            following = Call("GET", call.path, dict(httpx.URL(link).params)) if link else None

    async def send(self, call: Call) -> httpx.Response:
        """Send a request, with retries.

        Raises:
            ApiError: The service answered with an error.
            NotReachableError: There was no whole response.
            UnexpectedAnswerError: The response cannot be read.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                response = await self.http.send(self._request(call))
            except (httpx.DecodingError, httpx.TooManyRedirects) as error:
                raise UnexpectedAnswerError(f"{call.path}: the response cannot be read: {error}") from error
            except httpx.TransportError as error:
                if attempt == MAX_ATTEMPTS or not self.may_repeat(call, error):
                    raise self.unreachable(error) from error
                pause = pause_s(attempt)
            else:
                self.has_connected = True
                if response.status_code < 400:
                    return response
                pause = pause_after_refusal_s(response, attempt)
            await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[httpx.Response]:
        """Send a request once and yield the response before its body has arrived.

        Raises:
            ApiError: The service answered with an error.
            NotReachableError: There was no response, or the connection broke.
        """
        try:
            response = await self.http.send(self._request(call), stream=True)
            async with aclosing(response):
                if response.status_code >= 400:
                    await response.aread()
                    raise api_error(response)
                self.has_connected = True
                yield response
        except httpx.TransportError as error:
            raise self.unreachable(error) from error

    def _request(self, call: Call) -> httpx.Request:
        return self.write(call, None if call.body is None else _sent(call.body.chunks))


async def _sent(chunks: Callable[[], Iterator[bytes]]) -> AsyncIterator[bytes]:
    for chunk in chunks():
        yield chunk
