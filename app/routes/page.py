"""Routes of the page for people: the page itself, and the files that it loads. They need no key."""

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app.formats import Format, asked_format
from app.http.bounded_route import OpenRoute
from app.http.conditional import IMMUTABLE, REVALIDATE
from app.inference.document_cache import document_answer
from app.problems import NotFoundError
from app.routes.service import describe_service
from app.services import Api
from worker.store import Scope

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
