"""Routes of the pages for people: the live page, the API's documentation, and the files that they load."""

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.formats import Format, asked_format
from app.http.bounded_route import OpenRoute, Route
from app.http.conditional import IMMUTABLE, REVALIDATE
from app.http.responses import json_answer
from app.inference.document_cache import document_answer
from app.problems import NotFoundError
from app.routes.service import describe_service
from app.services import Api
from app.web.page import DOCS, MEDIA_TYPES
from worker.store import Scope

DOCS_FILES = {
    path.name: path
    for path in (DOCS / "start.js", *(DOCS / "vendor").iterdir())
    if path.suffix in MEDIA_TYPES
}

router = APIRouter(route_class=OpenRoute, include_in_schema=False)


@router.get("/")
async def get_page(request: Request, api: Api) -> Response:
    """Return the page; as JSON, what `GET /v1` answers, which may need a key."""
    headers = {"Cache-Control": REVALIDATE, "Vary": "Accept"}
    if asked_format(request.headers.get("accept"), (Format.HTML, Format.JSON)) is Format.HTML:
        return document_answer(request, api.page.index, headers)
    request.state.key = await api.admission.admit(request.scope, request.headers, Scope.READ)
    answer = await run_in_threadpool(describe_service, request, api)
    answer.headers["Vary"] = "Accept"
    return answer


@router.get("/web/{digest}/{name:path}")
async def get_page_file(request: Request, api: Api, digest: str, name: str) -> Response:
    """Return a file of the page; an address names the digest of all files, so it may be kept for ever."""
    document = api.page.assets.get(name) if digest == api.page.digest else None
    if document is None:
        raise NotFoundError("the page has no such file", code="file_not_found")
    return document_answer(request, document, {"Cache-Control": IMMUTABLE})


@router.get("/docs/{name}")
async def get_documentation_file(request: Request, api: Api, name: str) -> Response:
    """Return a file of the documentation's page."""
    path = DOCS_FILES.get(name)
    if path is None:
        raise NotFoundError("the documentation has no such file", code="no_such_route")
    document = await run_in_threadpool(
        api.documents.get, "docs", name, MEDIA_TYPES[path.suffix], path.read_bytes
    )
    return document_answer(request, document, {"Cache-Control": REVALIDATE})


def documentation_router(*, is_open: bool) -> APIRouter:
    """Return the routes of the API's documentation.

    Args:
        is_open: Whether they need no key.
    """
    documentation = APIRouter(route_class=OpenRoute if is_open else Route, include_in_schema=False)
    documentation.add_api_route("/docs", get_documentation)
    documentation.add_api_route("/openapi.json", get_openapi_document)
    return documentation


async def get_documentation() -> Response:
    """Return a page that shows the OpenAPI document."""
    return HTMLResponse((DOCS / "index.html").read_bytes())


async def get_openapi_document(request: Request) -> Response:
    """Return the OpenAPI document."""
    return json_answer(request.app.openapi())
