"""Exceptions of the client; each has a message of one line."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

SHOWN_PLACES = 3  # in an error's message; the problem document has them all


class CatvqError(Exception):
    """Base of all errors that this package raises deliberately."""


class ConfigFileError(CatvqError):
    """A configuration file, or the table it refers to, cannot be used."""


class NotReachableError(CatvqError):
    """The service cannot be reached."""


class UnexpectedAnswerError(CatvqError):
    """The response cannot be read by this client."""


class WaitTimeoutError(CatvqError):
    """A job did not end within the timeout."""


class FieldProblem(BaseModel):
    """One entry of a problem's `errors`: a location in the request, and the error there."""

    model_config = ConfigDict(frozen=True, extra="allow")

    field: str | None = None
    column: str | None = None
    row: int | None = None
    detail: str

    def __str__(self) -> str:
        """Return location and error: `column b, row 2: not a number`."""
        place = [str(self.field)] if self.field else []
        place += [f"column {self.column}"] if self.column is not None else []
        place += [f"row {self.row}"] if self.row is not None else []
        return f"{', '.join(place)}: {self.detail}" if place else self.detail


class Problem(BaseModel):
    """A problem document (RFC 9457), the body of every error response."""

    model_config = ConfigDict(frozen=True, extra="allow")

    status: int
    title: str = ""
    type: str = "about:blank"
    detail: str | None = None
    instance: str | None = None
    code: str | None = None
    errors: tuple[FieldProblem, ...] = ()
    retryable: bool = False

    @classmethod
    def from_answer(cls, status: int, reason: str, document: Any) -> "Problem":
        """Parse a problem document; other bodies, such as a proxy's page, give status and reason only."""
        if isinstance(document, dict):
            try:
                return cls.model_validate({"title": reason, **document, "status": status})
            except ValidationError:
                detail = document.get("detail")
                return cls(status=status, title=reason, detail=detail if isinstance(detail, str) else None)
        return cls(status=status, title=reason)


class ApiError(CatvqError):
    """The service answered with an error.

    Args:
        problem: The problem document.
        request_id: The response's `X-Request-Id`, to find the request in the service's logs.
    """

    def __init__(self, problem: Problem, request_id: str | None = None) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem
        self.request_id = request_id

    def __str__(self) -> str:
        """Return one line: the detail, further locations, the status and the code."""
        sentence = self.problem.detail or self.problem.title or "refused"
        further = [error for error in self.problem.errors if error.detail not in sentence]
        places = "; ".join(str(error) for error in further[:SHOWN_PLACES])
        more = f"; and {len(further) - SHOWN_PLACES} more" if len(further) > SHOWN_PLACES else ""
        kind = f"{self.problem.status} {self.problem.code or ''}".strip()
        return " ".join(f"{sentence}{': ' + places if places else ''}{more} ({kind})".split())

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def code(self) -> str | None:
        """The stable code of the error, for programs."""
        return self.problem.code
