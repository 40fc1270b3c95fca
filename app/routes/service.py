"""Routes of the service itself: health, metrics, versions and limits, workers."""

import platform
from importlib.metadata import version
from typing import Any

import onnxruntime
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from app.formats import ARRAY_FORMATS, ASSIGNMENT_FORMATS, DATASET_FORMATS, GROUPING_FORMATS, METRIC_FORMATS
from app.http.bounded_route import OpenRoute, Route
from app.http.responses import json_answer
from app.openapi import problems
from app.schemas.service import Health, Limits, ServiceInfo, Workers, to_worker
from app.services import Api, Services
from worker.store import Scope

router = APIRouter(route_class=Route, tags=["service"], responses=problems(422, 503))
health = APIRouter(route_class=OpenRoute, tags=["service"], responses=problems(422, 503))


@health.get("/livez", response_model=Health)
async def is_alive() -> Response:  # async: the threads may all be busy
    """Report that the process is alive."""
    return json_answer({"status": "ok"})


@health.get("/readyz", response_model=Health)
async def is_ready(api: Api) -> Response:
    """Check that the database and the data directory can be written to, at most once a second."""
    await api.readiness.check()
    return json_answer({"status": "ok"})


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus's text format.",
            "content": {
                "text/plain": {"schema": {"type": "string"}, "example": 'catvq_jobs{status="queued"} 0.0\n'}
            },
        }
    },
)
def get_service_metrics(api: Api) -> Response:
    """Return the service's metrics for Prometheus."""
    text = api.telemetry.render(api.store.outbox.statistics(), cached_bytes=api.encoders.size_bytes)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


@router.get("/v1", response_model=ServiceInfo)
def get_service_info(request: Request, api: Api) -> Response:
    """Return links, versions, formats, limits and devices, and what the request's key may do."""
    return describe_service(request, api)


def describe_service(request: Request, api: Services) -> Response:
    """Answer with what an admitted request may know of the service."""
    key = request.state.key
    return json_answer(
        {
            "name": "catvq",
            "scope": key.scope if key else Scope.WRITE,
            "links": _links(),
            "versions": {
                "api": "v1",
                "catvq": version("catvq"),
                "onnxruntime": onnxruntime.__version__,
                "python": platform.python_version(),
            },
            "formats": {
                "datasets": [option.value for option in DATASET_FORMATS],
                "arrays": [option.value for option in ARRAY_FORMATS],
                "assignments": [option.value for option in ASSIGNMENT_FORMATS],
                "metrics": [option.value for option in METRIC_FORMATS],
                "groupings": [option.value for option in GROUPING_FORMATS],
            },
            "limits": _limits(api),
            "devices": api.devices,
        }
    )


@router.get("/v1/workers", response_model=Workers)
def list_workers(api: Api) -> Response:
    """List the running workers; one that reports nothing for 15 seconds is left out."""
    held = api.store.outbox.held_jobs()
    return json_answer({"items": [to_worker(worker, held) for worker in api.store.workers.list()]})


def _links() -> dict[str, str]:
    resources = {name: f"/v1/{name}" for name in ("datasets", "jobs", "models", "aliases", "workers")}
    return (
        {"self": "/v1"}
        | resources
        | {
            "page": "/",
            "openapi": "/openapi.json",
            "docs": "/docs",
            "livez": "/livez",
            "readyz": "/readyz",
            "metrics": "/metrics",
            "inference": "/v2",
        }
    )


def _limits(api: Api) -> dict[str, Any]:
    return {name: getattr(api.settings, name) for name in Limits.model_fields}
