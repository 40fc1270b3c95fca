"""What both kinds of transport have in common: address, key, and how requests are written; sends nothing."""

from collections.abc import AsyncIterable, Iterable
from typing import Generic, TypeVar

import httpx

from catvq_client.calls import LOOPBACK, Call, checked_address, common_headers
from catvq_client.errors import CatvqError, NotReachableError

HttpT = TypeVar("HttpT", httpx.Client, httpx.AsyncClient)


class Connection(Generic[HttpT]):
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

    client_type: type[HttpT]

    def __init__(self, base_url: str, api_key: str | None, timeout_s: float) -> None:
        headers = common_headers(api_key)
        # A proxy from the environment cannot reach this machine's loopback.
        trust_env = checked_address(base_url).host not in LOOPBACK
        self.base_url = base_url.rstrip("/")
        self.has_connected = False
        self._timeout_s = timeout_s
        self.http: HttpT = self.client_type(headers=headers, timeout=timeout_s, trust_env=trust_env)

    def __repr__(self) -> str:
        """Return the address, without the key."""
        return f"{type(self).__name__}({self.base_url!r})"

    def write(self, call: Call, content: Iterable[bytes] | AsyncIterable[bytes] | None) -> httpx.Request:
        """Write a request, whose body is this content.

        Raises:
            CatvqError: It cannot be written.
        """
        headers, params = dict(call.headers), dict(call.params)
        if call.body is not None:
            headers["Content-Type"] = call.body.content_type
            if call.body.size_bytes is not None:
                headers["Content-Length"] = str(call.body.size_bytes)
            params |= call.body.params
        timeout = httpx.Timeout(self._timeout_s, read=self._timeout_s + call.extra_read_s)
        try:
            return self.http.build_request(
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

    def may_repeat(self, call: Call, error: httpx.TransportError) -> bool:
        """Whether a request that got no answer may be sent again."""
        never_arrived = isinstance(error, httpx.ConnectError)
        is_timeout = isinstance(error, httpx.TimeoutException)
        return self.has_connected and not is_timeout and (never_arrived or call.is_harmless)

    def unreachable(self, error: httpx.TransportError) -> NotReachableError:
        """Return the error that says that there was no answer, and why."""
        reason = str(error) or type(error).__name__
        return NotReachableError(f"no answer from {self.base_url} ({reason})")
