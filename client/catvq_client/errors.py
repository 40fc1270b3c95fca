"""What can go wrong when talking to the service; every error reads as one line."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

SHOWN_PLACES = 3  # of a refusal, in its line of text; the problem document has them all


class CatvqError(Exception):
    """Base of all errors that this package raises on purpose."""


class ConfigFileError(CatvqError):
    """A configuration file, or the table that it names, cannot be used."""


class NotReachableError(CatvqError):
    """No service answered at the address."""


class UnexpectedAnswerError(CatvqError):
    """The service answered with something that this client does not understand."""


class WaitTimeoutError(CatvqError):
    """A job did not end in the time allowed."""


class FieldProblem(BaseModel):
    """One entry of a problem's `errors`: where in the request, and what is wrong there."""

    model_config = ConfigDict(frozen=True, extra="allow")

    field: str | None = None
    column: str | None = None
    row: int | None = None
    detail: str

    def __str__(self) -> str:
        """Name the place, then the fault: `column b, row 2: not a number`."""
        place = [str(self.field)] if self.field else []
        place += [f"column {self.column}"] if self.column is not None else []
        place += [f"row {self.row}"] if self.row is not None else []
        return f"{', '.join(place)}: {self.detail}" if place else self.detail


class Problem(BaseModel):
    """A problem document (RFC 9457), as the service sends it with every error."""

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
        """Read a problem document; an answer that is none (a proxy's page) keeps its status and reason."""
        if isinstance(document, dict):
            try:
                return cls.model_validate({"title": reason, **document, "status": status})
            except ValidationError:
                detail = document.get("detail")
                return cls(status=status, title=reason, detail=detail if isinstance(detail, str) else None)
        return cls(status=status, title=reason)


class ApiError(CatvqError):
    """The service refused a request and said why.

    Args:
        problem: What the service sent.
        request_id: The answer's `X-Request-Id`, to find the request in the service's logs.
    """

    def __init__(self, problem: Problem, request_id: str | None = None) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem
        self.request_id = request_id

    def __str__(self) -> str:
        """Say it in one line: the sentence, the places that it leaves out, the status and the code."""
        sentence = self.problem.detail or self.problem.title or "refused"
        untold = [error for error in self.problem.errors if error.detail not in sentence]
        places = "; ".join(str(error) for error in untold[:SHOWN_PLACES])
        more = f"; and {len(untold) - SHOWN_PLACES} more" if len(untold) > SHOWN_PLACES else ""
        kind = f"{self.problem.status} {self.problem.code or ''}".strip()
        return " ".join(f"{sentence}{': ' + places if places else ''}{more} ({kind})".split())

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def code(self) -> str | None:
        """The stable name of the error, made for programs."""
        return self.problem.code
