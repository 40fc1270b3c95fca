"""What every kind of answer shares."""

from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from worker.store.database.pagination import CURSOR_PATTERN

Item = TypeVar("Item")

MAX_PAGE = 1000


class Body(BaseModel):
    """Base of every JSON body."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListPage(Body, Generic[Item]):
    """A part of a list, newest first; the `Link` header names the next one."""

    items: list[Item]


class ErrorPlace(Body):
    """Where in a request a fault is."""

    detail: str
    field: str | None = None
    column: str | None = None
    row: int | None = Field(None, description="Rows of data count from 1; a header line is not counted.")
    line: int | None = Field(None, description="The line of the text, counting from 1.")
    token: str | None = None


class Problem(Body):
    """An error, as in RFC 9457."""

    type: str = Field(examples=["urn:catvq:problem:job_not_found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no job 'job_0'."])
    instance: str = Field(examples=["urn:catvq:request:req_5e1f"], description="Names the request.")
    code: str = Field(examples=["job_not_found"], description="Stable, for programs.")
    errors: list[ErrorPlace] = Field(examples=[[]], description="The first places at fault.")
    retryable: bool = Field(examples=[False], description="Whether the same request may succeed later.")
    error: str | None = Field(None, description="The detail once more, where clients of `/v2` look for it.")


PageLimit = Annotated[
    int, Query(ge=1, le=MAX_PAGE, description="How many to list at most; a page of large items has fewer.")
]
Cursor = Annotated[
    str | None,
    Query(
        description="From the `Link` header of the page before.",
        json_schema_extra={"pattern": CURSOR_PATTERN},
    ),
]
