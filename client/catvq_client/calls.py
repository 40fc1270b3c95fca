"""Describes requests, reads responses, and computes retry pauses; sends nothing."""

import email.utils
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from catvq_client.errors import ApiError, CatvqError, Problem, UnexpectedAnswerError
from catvq_client.tables.body import Body

DEFAULT_URL = "http://127.0.0.1:8000"
RETRIED_STATUSES = frozenset({429, 503})
REPEATABLE_METHODS = frozenset({"GET", "PUT", "DELETE"})
MAX_ATTEMPTS = 6
MAX_PAUSE_S = 30.0  # after a longer Retry-After the error is raised instead of waiting
FIRST_PAUSE_S = 0.2
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

RecordT = TypeVar("RecordT", bound=BaseModel)


@dataclass(frozen=True)
class Call:
    """One request to the service."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    extra_read_s: float = 0.0

    @property
    def is_harmless(self) -> bool:
        """Whether it can be repeated safely, even if it has already arrived."""
        return self.method in REPEATABLE_METHODS or "Idempotency-Key" in self.headers


def checked_address(base_url: str) -> httpx.URL:
    """Parse the address of a service.

    Raises:
        CatvqError: It is not an HTTP address.
    """
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise CatvqError(f"not an address: {base_url!r}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise CatvqError(f"not an address (http://host:port): {base_url!r}")
    return url


def common_headers(api_key: str | None) -> dict[str, str]:
    """Return the headers of every request.

    Raises:
        CatvqError: The key is not valid in a header.
    """
    headers = {"User-Agent": "catvq-client", "Accept": "application/json"}
    if api_key:
        if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
            raise CatvqError("the API key contains characters that are not valid in a header")
        headers["Authorization"] = f"Bearer {api_key}"
    return headers


def pause_s(attempt: int) -> float:
    """Return the pause after an attempt if the service does not give one: exponential, with jitter."""
    return FIRST_PAUSE_S * 2.0 ** (attempt - 1) * random.uniform(0.75, 1.25)  # noqa: S311 - jitter


def pause_after_refusal_s(response: httpx.Response, attempt: int) -> float:
    """Return the pause before a refused request is sent again.

    Raises:
        ApiError: It must not be sent again.
    """
    asked = retry_after_s(response.headers.get("Retry-After"))
    pause = pause_s(attempt) if asked is None else asked
    is_final = attempt == MAX_ATTEMPTS or pause > MAX_PAUSE_S
    if response.status_code not in RETRIED_STATUSES or is_final:
        raise api_error(response)
    return pause


def items_of(page: Any, path: str) -> list[Any]:
    """Return the items of a page of a list.

    Raises:
        UnexpectedAnswerError: It is not a page.
    """
    items = page.get("items") if isinstance(page, dict) else None
    if not isinstance(items, list):
        raise UnexpectedAnswerError(f"{path}: expected a list with `items`")
    return items


def segment(identifier: str) -> str:
    """Quote an id for a path, `@alias` included.

    Raises:
        CatvqError: The id is empty or consists of dots, which would change the path.
    """
    if not identifier.strip("."):
        raise CatvqError(f"not an id: {identifier!r}")
    return quote(identifier, safe="@")


def read_json(response: httpx.Response) -> Any:
    """Parse a JSON response.

    Raises:
        UnexpectedAnswerError: It is not JSON.
    """
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        kind = response.headers.get("Content-Type", "no content type")
        raise UnexpectedAnswerError(
            f"{response.url.path}: expected JSON, got {kind}; is this catvq?"
        ) from error


def read_record(record_type: type[RecordT], response: httpx.Response) -> RecordT:
    """Parse a response into a record.

    Raises:
        UnexpectedAnswerError: It does not match the record.
    """
    return validated(record_type, read_json(response), response.url.path)


def validated(record_type: type[RecordT], document: Any, path: str) -> RecordT:
    """Validate a document from `path` as a record.

    Raises:
        UnexpectedAnswerError: It does not match the record.
    """
    try:
        return record_type.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UnexpectedAnswerError(
            f"{path}: `{place}` {first['msg']}; is the service newer than this client?"
        ) from error


def api_error(response: httpx.Response) -> ApiError:
    """Create an `ApiError` from an error response."""
    try:
        document = response.json()
    except (ValueError, RecursionError):
        document = None
    problem = Problem.from_answer(response.status_code, response.reason_phrase, document)
    return ApiError(problem, response.headers.get("X-Request-Id"))


def retry_after_s(value: str | None) -> float | None:
    """Parse a `Retry-After` header, seconds or a date; None if absent or invalid."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
