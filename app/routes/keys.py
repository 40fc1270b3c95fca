"""Routes that manage API keys; they need an admin key."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.http.bounded_route import AdminRoute
from app.http.responses import json_answer, list_answer
from app.openapi import problems
from app.schemas.common import Cursor, ListPage, PageLimit
from app.schemas.keys import Key, KeyRequest, KeyWithSecret, to_key, to_key_with_secret
from app.services import Api, KeyId

SECRET = {"Cache-Control": "no-store"}

router = APIRouter(
    prefix="/v1/keys", route_class=AdminRoute, tags=["keys"], responses=problems(422, 503, 507)
)


@router.get("", response_model=ListPage[Key])
def list_keys(request: Request, api: Api, limit: PageLimit = 50, cursor: Cursor = None) -> Response:
    """List keys, newest first."""
    page = api.store.keys.list(limit, cursor)
    return list_answer(request, [to_key(record) for record in page.items], page.next_cursor)


@router.post("", status_code=201, response_model=KeyWithSecret, responses=problems(400, 413, 415))
def create_key(api: Api, body: KeyRequest) -> Response:
    """Create a key; its secret is not shown again."""
    return json_answer(to_key_with_secret(api.store.keys.create(body.scope, body.name)), 201, SECRET)


@router.post("/{key_id}/rotate", response_model=KeyWithSecret, responses=problems(404))
def rotate_key(api: Api, key_id: KeyId) -> Response:
    """Replace a key's secret; the old one becomes invalid within a second."""
    return json_answer(to_key_with_secret(api.store.keys.rotate(key_id)), headers=SECRET)


@router.delete("/{key_id}", status_code=204, responses=problems(404))
def revoke_key(api: Api, key_id: KeyId) -> Response:
    """Revoke a key within a second; what was created with it is kept."""
    api.store.keys.revoke(key_id)
    return Response(status_code=204)
