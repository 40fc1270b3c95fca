"""Routes of aliases: names that can be moved from one model to another."""

from typing import Annotated

from fastapi import APIRouter, Header
from starlette.requests import Request
from starlette.responses import Response

from app.http.bounded_route import Route
from app.http.conditional import REVALIDATE, is_known, not_modified, strong_tags
from app.http.error_handlers import naming
from app.http.responses import json_answer, list_answer
from app.openapi import problems
from app.problems import PreconditionFailedError
from app.schemas.aliases import Alias, AliasRequest, to_alias
from app.schemas.common import Cursor, ListPage, PageLimit
from app.services import AliasName, Api, NewAliasName, Services
from worker.store import AliasRecord, NotFound

IfMatch = Annotated[
    str | None,
    Header(description="Apply the change only if the alias still has this `ETag`.", examples=['"1"']),
]

router = APIRouter(
    prefix="/v1/aliases", route_class=Route, tags=["aliases"], responses=problems(422, 503, 507)
)


@router.get("", response_model=ListPage[Alias])
def list_aliases(request: Request, api: Api, limit: PageLimit = 50, cursor: Cursor = None) -> Response:
    """List aliases."""
    page = api.store.aliases.list(limit, cursor)
    return list_answer(request, [to_alias(record) for record in page.items], page.next_cursor)


@router.put(
    "/{name}",
    response_model=Alias,
    responses={
        201: {"model": Alias, "description": "The alias was created."},
        **problems(400, 404, 412, 413, 415),
    },
)
def put_alias(api: Api, name: NewAliasName, body: AliasRequest, if_match: IfMatch = None) -> Response:
    """Create an alias, or move it to another model."""
    with naming("model"):
        api.store.models.get(body.model)  # 404 has precedence over 412
    record = api.store.aliases.put(name, body.model, _expected_version(api, name, if_match))
    status = 201 if record.version == 1 else 200
    return json_answer(to_alias(record), status, {"ETag": _tag(record), "Location": f"/v1/aliases/{name}"})


@router.get(
    "/{name}",
    response_model=Alias,
    responses={304: {"description": "The alias has not changed."}, **problems(404)},
)
def get_alias(request: Request, api: Api, name: AliasName) -> Response:
    """Return the model that an alias refers to."""
    record = api.store.aliases.get(name)
    headers = {"ETag": _tag(record), "Cache-Control": REVALIDATE}
    if is_known(request, headers["ETag"]):
        return not_modified(headers)
    return json_answer(to_alias(record), headers=headers)


@router.delete("/{name}", status_code=204, responses=problems(404, 412))
def delete_alias(api: Api, name: AliasName, if_match: IfMatch = None) -> Response:
    """Delete an alias; its model is kept."""
    api.store.aliases.get(name)  # 404 has precedence over 412
    api.store.aliases.delete(name, _expected_version(api, name, if_match))
    return Response(status_code=204)


def _tag(record: AliasRecord) -> str:
    return f'"{record.version}"'


def _expected_version(api: Services, name: str, if_match: str | None) -> int | None:
    """Return the alias's version if it matches the `If-Match` header; None without a header.

    Raises:
        PreconditionFailedError: The alias has another version, or does not exist.
    """
    if if_match is None:
        return None
    try:
        version = api.store.aliases.get(name).version
    except NotFound:
        version = 0
    if version and (if_match.strip() == "*" or str(version) in strong_tags(if_match)):
        return version
    raise PreconditionFailedError(f"the alias {name!r} does not match If-Match")
