"""Bodies and parameters that several routes use: pages, problems, cursors."""

from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from worker.store.database.pagination import CURSOR_PATTERN

Item = TypeVar("Item")

MAX_PAGE = 1000


class Body(BaseModel):
    """Base of every JSON body."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def example(example: Any) -> ConfigDict:
    """Return the configuration of a body that has an example in the documentation."""
    return ConfigDict(json_schema_extra={"example": example})


class ListPage(Body, Generic[Item]):
    """A page of a list; the `Link` header points to the next page."""

    items: list[Item]


class ErrorPlace(Body):
    """Location of an error in a request."""

    detail: str
    field: str | None = None
    column: str | None = None
    row: int | None = Field(None, description="Row of data, counted from 1 without the header line.")
    line: int | None = Field(None, description="Line of the text, counted from 1.")
    token: str | None = None


class Problem(Body):
    """An error, in the format of RFC 9457."""

    type: str = Field(examples=["urn:catvq:problem:job_not_found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no job 'job_0'."])
    instance: str = Field(examples=["urn:catvq:request:req_5e1f"], description="Id of the request.")
    code: str = Field(examples=["job_not_found"], description="Stable identifier of the error, for programs.")
    errors: list[ErrorPlace] = Field(examples=[[]], description="Locations of the error, at most 20.")
    retryable: bool = Field(examples=[False], description="Whether the same request may succeed later.")
    error: str | None = Field(None, description="On `/v2` only: the same text as `detail`.")


PageLimit = Annotated[
    int, Query(ge=1, le=MAX_PAGE, description="Maximum number of items; a page of large items has fewer.")
]
Cursor = Annotated[
    str | None,
    Query(
        description="Position in the list, from the `Link` header of the previous page.",
        json_schema_extra={"pattern": CURSOR_PATTERN},
    ),
]
