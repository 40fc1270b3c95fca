# Written by synchronize.py from the module of the same name in asynchronous/; change that one.
"""The client: one object with the service's resources."""

import os
from types import TracebackType
from typing import Any, Self

from catvq_client.calls import DEFAULT_URL, Call, read_json
from catvq_client.synchronous.datasets import Datasets
from catvq_client.synchronous.jobs import Jobs
from catvq_client.synchronous.models import Aliases, Models
from catvq_client.synchronous.transport import Transport

KEY_VARIABLE = "CATVQ_API_KEY"  # no option of the command: every user of a machine can read command lines


class Client:
    """Talks to a catvq service; use it as a context manager, or close it.

    One client may be shared by everything that runs at once.

    Args:
        base_url: Address of the service.
        api_key: Taken from CATVQ_API_KEY when left out; a service on loopback needs none.
        timeout_s: Longest wait for a connection or for the next bytes of an answer.
    """

    def __init__(
        self, base_url: str = DEFAULT_URL, api_key: str | None = None, *, timeout_s: float = 60.0
    ) -> None:
        key = os.environ.get(KEY_VARIABLE) if api_key is None else api_key
        self._transport = Transport(base_url, key, timeout_s)
        self.datasets = Datasets(self._transport)
        self.jobs = Jobs(self._transport)
        self.models = Models(self._transport)
        self.aliases = Aliases(self._transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def service(self) -> dict[str, Any]:
        """Return the service's versions, formats and limits."""
        document: dict[str, Any] = read_json(self._transport.send(Call("GET", "/v1")))
        return document

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()
