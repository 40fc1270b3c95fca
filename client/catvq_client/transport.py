"""Sends requests: keys, retries and problem documents, the same for every resource."""

import email.utils
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from catvq_client.bodies import Body
from catvq_client.errors import ApiError, CatvqError, NotReachableError, Problem, UnexpectedAnswerError

RETRIED_STATUSES = frozenset({429, 503})
REPEATABLE_METHODS = frozenset({"GET", "PUT", "DELETE"})
MAX_ATTEMPTS = 6
MAX_PAUSE_S = 30.0  # a longer Retry-After means "come back another day": report it instead of hanging
FIRST_PAUSE_S = 0.2
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

RecordT = TypeVar("RecordT", bound=BaseModel)


@dataclass(frozen=True)
class Call:
    """One request, as the resources describe it."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    extra_read_s: float = 0.0


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
        headers = {"User-Agent": "catvq-client", "Accept": "application/json"}
        if api_key:
            if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
                raise CatvqError("the API key holds characters that a header cannot carry")
            headers["Authorization"] = f"Bearer {api_key}"
        try:
            url = httpx.URL(base_url)
        except httpx.InvalidURL as error:
            raise CatvqError(f"not an address: {base_url!r}") from error
        if url.scheme not in {"http", "https"} or not url.host:
            raise CatvqError(f"not an address (http://host:port): {base_url!r}")
        self.base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._has_connected = False
        # A proxy of the environment cannot reach this machine's own loopback.
        self._http = httpx.Client(headers=headers, timeout=timeout_s, trust_env=url.host not in LOOPBACK)

    def __repr__(self) -> str:
        """Name the address only."""
        return f"Transport({self.base_url!r})"

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
            page = read_json(response)
            items = page.get("items") if isinstance(page, dict) else None
            if not isinstance(items, list):
                raise UnexpectedAnswerError(f"{following.path}: expected a list with `items`")
            for item in items:
                yield _validated(record_type, item, following.path)
            link = response.links.get("next", {}).get("url")
            following = Call("GET", call.path, dict(httpx.URL(link).params)) if link else None

    def send(self, call: Call) -> httpx.Response:
        """Send a request, again where the service asks for it.

        Raises:
            ApiError: The service refused.
            NotReachableError: Nobody answered.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            pause = FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
            try:
                response = self._http.send(self._request(call))
            except httpx.TransportError as error:
                if attempt == MAX_ATTEMPTS or not self._may_repeat(call, error):
                    raise self._unreachable(error) from error
            else:
                self._has_connected = True
                if response.status_code < 400:
                    return response
                asked = retry_after_s(response.headers.get("Retry-After"))
                pause = pause if asked is None else asked
                is_final = attempt == MAX_ATTEMPTS or pause > MAX_PAUSE_S
                if response.status_code not in RETRIED_STATUSES or is_final:
                    raise api_error(response)
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
            content = call.body.chunks()
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
        is_harmless = call.method in REPEATABLE_METHODS or "Idempotency-Key" in call.headers
        is_timeout = isinstance(error, httpx.TimeoutException)
        return self._has_connected and not is_timeout and (never_arrived or is_harmless)

    def _unreachable(self, error: httpx.TransportError) -> NotReachableError:
        reason = str(error) or type(error).__name__
        return NotReachableError(f"no answer from {self.base_url} ({reason})")


def segment(identifier: str) -> str:
    """Quote an id for a path, `@alias` included.

    Raises:
        CatvqError: The id is empty, or only dots, and so would name another path.
    """
    if not identifier.strip("."):
        raise CatvqError(f"not an id: {identifier!r}")
    return quote(identifier, safe="@")


def read_json(response: httpx.Response) -> Any:
    """Parse an answer.

    Raises:
        UnexpectedAnswerError: It is not JSON.
    """
    try:
        return response.json()
    except ValueError as error:
        kind = response.headers.get("Content-Type", "no content type")
        raise UnexpectedAnswerError(
            f"{response.url.path}: expected JSON, got {kind}; is this catvq?"
        ) from error


def read_record(record_type: type[RecordT], response: httpx.Response) -> RecordT:
    """Parse an answer into a record.

    Raises:
        UnexpectedAnswerError: It lacks what the record needs.
    """
    return _validated(record_type, read_json(response), response.url.path)


def _validated(record_type: type[RecordT], document: Any, path: str) -> RecordT:
    try:
        return record_type.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UnexpectedAnswerError(
            f"{path}: `{place}` {first['msg']}; is the service newer than this client?"
        ) from error


def api_error(response: httpx.Response) -> ApiError:
    """Read a refusal."""
    try:
        document = response.json()
    except ValueError:
        document = None
    problem = Problem.from_answer(response.status_code, response.reason_phrase, document)
    return ApiError(problem, response.headers.get("X-Request-Id"))


def retry_after_s(value: str | None) -> float | None:
    """Read a `Retry-After` header, seconds or a date; null when absent or unreadable."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
