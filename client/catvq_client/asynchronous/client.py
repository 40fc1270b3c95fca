"""The client object, with the service's resources as attributes."""

import os
from types import TracebackType
from typing import Self

from catvq_client.asynchronous.datasets import AsyncDatasets
from catvq_client.asynchronous.jobs import AsyncJobs
from catvq_client.asynchronous.keys import AsyncKeys
from catvq_client.asynchronous.models import AsyncAliases, AsyncModels
from catvq_client.asynchronous.transport import AsyncTransport
from catvq_client.calls import DEFAULT_URL, Call
from catvq_client.records import ServiceInfo, Worker

KEY_VARIABLE = "CATVQ_API_KEY"  # not a command-line option: other users can read command lines


class AsyncClient:
    """Client of a catvq service; use it as a context manager, or close it.

    One client can be shared by concurrent callers.

    Args:
        base_url: Address of the service.
        api_key: By default from CATVQ_API_KEY; a service on loopback needs none.
        timeout_s: Longest wait for a connection or for the next bytes of a response.
    """

    def __init__(
        self, base_url: str = DEFAULT_URL, api_key: str | None = None, *, timeout_s: float = 60.0
    ) -> None:
        key = os.environ.get(KEY_VARIABLE) if api_key is None else api_key
        self._transport = AsyncTransport(base_url, key, timeout_s)
        self.datasets = AsyncDatasets(self._transport)
        self.jobs = AsyncJobs(self._transport)
        self.models = AsyncModels(self._transport)
        self.aliases = AsyncAliases(self._transport)
        self.keys = AsyncKeys(self._transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.base_url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def service(self) -> ServiceInfo:
        """Return the service's links, versions, formats, limits and devices."""
        return await self._transport.record(ServiceInfo, Call("GET", "/v1"))

    async def workers(self) -> list[Worker]:
        """Return the running workers, by name."""
        return [item async for item in self._transport.records(Worker, Call("GET", "/v1/workers"))]

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()
