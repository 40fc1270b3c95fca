"""Sends requests for all resources: API key, retries, error responses."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager

import httpx

from catvq_client.calls import (
    LOOPBACK,
    MAX_ATTEMPTS,
    Call,
    RecordT,
    api_error,
    checked_address,
    common_headers,
    items_of,
    pause_after_refusal_s,
    pause_s,
    read_json,
    read_record,
    validated,
)
from catvq_client.errors import CatvqError, NotReachableError, UnexpectedAnswerError
from catvq_client.picture import MEDIA_TYPES, Picture, PictureKind


class AsyncTransport:
    """A connection pool to one service.

    Requests refused with 429 or 503 are repeated after the pause that the service gives. After a broken
    connection, safe requests are repeated, but only if the service has been reached before: a wrong address
    fails at once, while a restarting service is waited for.

    Args:
        base_url: Address of the service, without `/v1`.
        api_key: Sent as a bearer token; never part of an error or of `repr`.
        timeout_s: Longest wait for a connection or for the next bytes.

    Raises:
        CatvqError: The address or the key cannot be used.
    """

    def __init__(self, base_url: str, api_key: str | None, timeout_s: float) -> None:
        headers = common_headers(api_key)
        # A proxy from the environment cannot reach this machine's loopback.
        trust_env = checked_address(base_url).host not in LOOPBACK
        self.base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._has_connected = False
        self._http = httpx.AsyncClient(headers=headers, timeout=timeout_s, trust_env=trust_env)

    def __repr__(self) -> str:
        """Return the address, without the key."""
        return f"{type(self).__name__}({self.base_url!r})"

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

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
                response = await self._http.send(self._request(call))
            except (httpx.DecodingError, httpx.TooManyRedirects) as error:
                raise UnexpectedAnswerError(f"{call.path}: the response cannot be read: {error}") from error
            except httpx.TransportError as error:
                if attempt == MAX_ATTEMPTS or not self._may_repeat(call, error):
                    raise self._unreachable(error) from error
                pause = pause_s(attempt)
            else:
                self._has_connected = True
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
            response = await self._http.send(self._request(call), stream=True)
            async with aclosing(response):
                if response.status_code >= 400:
                    await response.aread()
                    raise api_error(response)
                self._has_connected = True
                yield response
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _request(self, call: Call) -> httpx.Request:
        headers = dict(call.headers)
        params = dict(call.params)
        content = None
        if call.body is not None:
            headers["Content-Type"] = call.body.content_type
            if call.body.size_bytes is not None:
                headers["Content-Length"] = str(call.body.size_bytes)
            params |= call.body.params
            content = _sent(call.body.chunks)
        timeout = httpx.Timeout(self._timeout_s, read=self._timeout_s + call.extra_read_s)
        try:
            return self._http.build_request(
                call.method,
                self.base_url + call.path,
                params=params or None,
                json=call.json,
                content=content,
                headers=headers,
                timeout=timeout,
            )
        except (TypeError, ValueError, httpx.InvalidURL) as error:
            raise CatvqError(f"{call.path}: the request cannot be written: {error}") from error

    def _may_repeat(self, call: Call, error: httpx.TransportError) -> bool:
        never_arrived = isinstance(error, httpx.ConnectError)
        is_timeout = isinstance(error, httpx.TimeoutException)
        return self._has_connected and not is_timeout and (never_arrived or call.is_harmless)

    def _unreachable(self, error: httpx.TransportError) -> NotReachableError:
        reason = str(error) or type(error).__name__
        return NotReachableError(f"no answer from {self.base_url} ({reason})")


async def _sent(chunks: Callable[[], Iterator[bytes]]) -> AsyncIterator[bytes]:
    for chunk in chunks():
        yield chunk
