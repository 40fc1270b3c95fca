# Written by synchronize.py from the module of the same name in asynchronous/; change that one.
"""Sends requests: keys, retries and problem documents, the same for every resource."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

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
from catvq_client.errors import NotReachableError


class Transport:
    """A connection pool to one service.

    Requests refused with 429 or 503 are sent again after the pause the service asks for. A broken connection
    is tried again only where that is harmless and only once the service has been reached, so that a
    wrong address fails at once while a restarting service is waited for.

    Args:
        base_url: Address of the service, without `/v1`.
        api_key: Sent as a bearer token; never part of an error or a representation.
        timeout_s: Longest wait for a connection or for the next bytes.

    Raises:
        CatvqError: The address or the key cannot be used.
    """

    def __init__(self, base_url: str, api_key: str | None, timeout_s: float) -> None:
        headers = common_headers(api_key)
        # A proxy of the environment cannot reach this machine's own loopback.
        trust_env = checked_address(base_url).host not in LOOPBACK
        self.base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._has_connected = False
        self._http = httpx.Client(headers=headers, timeout=timeout_s, trust_env=trust_env)

    def __repr__(self) -> str:
        """Name the address only."""
        return f"{type(self).__name__}({self.base_url!r})"

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def record(self, record_type: type[RecordT], call: Call) -> RecordT:
        """Send and read the answer as a record."""
        return read_record(record_type, self.send(call))

    def records(self, record_type: type[RecordT], call: Call) -> Iterator[RecordT]:
        """Send and read a list, page after page."""
        following: Call | None = call
        while following is not None:
            response = self.send(following)
            for item in items_of(read_json(response), following.path):
                yield validated(record_type, item, following.path)
            link = response.links.get("next", {}).get("url")
            following = Call("GET", call.path, dict(httpx.URL(link).params)) if link else None

    def send(self, call: Call) -> httpx.Response:
        """Send a request, again where the service asks for it.

        Raises:
            ApiError: The service refused.
            NotReachableError: Nobody answered.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                response = self._http.send(self._request(call))
            except httpx.TransportError as error:
                if attempt == MAX_ATTEMPTS or not self._may_repeat(call, error):
                    raise self._unreachable(error) from error
                pause = pause_s(attempt)
            else:
                self._has_connected = True
                if response.status_code < 400:
                    return response
                pause = pause_after_refusal_s(response, attempt)
            time.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    @contextmanager
    def stream(self, call: Call) -> Iterator[httpx.Response]:
        """Send a request once and give its answer before the answer's body has arrived.

        Raises:
            ApiError: The service refused.
            NotReachableError: Nobody answered, or the connection broke.
        """
        try:
            response = self._http.send(self._request(call), stream=True)
            with closing(response):
                if response.status_code >= 400:
                    response.read()
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
        return self._http.build_request(
            call.method,
            self.base_url + call.path,
            params=params or None,
            json=call.json,
            content=content,
            headers=headers,
            timeout=timeout,
        )

    def _may_repeat(self, call: Call, error: httpx.TransportError) -> bool:
        never_arrived = isinstance(error, httpx.ConnectError)
        is_timeout = isinstance(error, httpx.TimeoutException)
        return self._has_connected and not is_timeout and (never_arrived or call.is_harmless)

    def _unreachable(self, error: httpx.TransportError) -> NotReachableError:
        reason = str(error) or type(error).__name__
        return NotReachableError(f"no answer from {self.base_url} ({reason})")


def _sent(chunks: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    for chunk in chunks():
        yield chunk
