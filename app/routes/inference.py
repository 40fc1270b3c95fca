"""Routes of the Open Inference Protocol, version 2, for clients of Triton, KServe and others."""

from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path
from starlette.responses import Response

from app.formats import Format
from app.http.bounded_route import BoundedRequest, OpenRoute, ReadingRoute
from app.http.responses import json_answer
from app.http.uploads import received
from app.inference.model_lookup import FIRST_VERSION, ServedModel, result_headers
from app.openapi import BINARY_SCHEMA, problems
from app.problems import NotFoundError, TooLargeError
from app.requests.encode import call, check_row_count, encode, is_quick
from app.requests.encode_channels import RowsOfChannels, encode_channels
from app.requests.open_inference import (
    BINARY,
    JSON_BYTES_HEADER,
    describe_tensors,
    read_inference,
    write_inference,
)
from app.routes.encodings import MEMORY_BYTES
from app.schemas.inference import (
    InferenceAnswer,
    Liveness,
    ModelMetadata,
    Readiness,
    ServerMetadata,
)
from app.services import Api, ModelId, Services

PLATFORM = "onnxruntime_onnx"

router = APIRouter(
    prefix="/v2", route_class=ReadingRoute, tags=["inference"], responses=problems(422, 503, 507)
)
health = APIRouter(
    prefix="/v2/health", route_class=OpenRoute, tags=["inference"], responses=problems(422, 503)
)

Version = Annotated[
    str, Path(description=f"Always {FIRST_VERSION!r} for a model; an alias counts its moves.")
]
MODEL_PATHS = ("/models/{model_id}", "/models/{model_id}/versions/{model_version}")


@router.get("", response_model=ServerMetadata)
async def describe_server() -> Response:
    """Return name, version and extensions of the server."""
    extensions = ["binary_tensor_data"]
    return json_answer({"name": "catvq", "version": version("catvq"), "extensions": extensions})


@health.get("/live", response_model=Liveness)
async def is_server_live() -> Response:
    """Report that the process is alive."""
    return json_answer({"live": True})


@health.get("/ready", response_model=Readiness)
async def is_server_ready(api: Api) -> Response:
    """Check that the database and the data directory can be written to, at most once a second."""
    await api.readiness.check()
    return json_answer({"ready": True})


def describe_model(api: Api, model_id: ModelId, model_version: Version | None = None) -> Response:
    """Return names, types and shapes of a model's input and outputs."""
    model = api.models.find_in_store(model_id)
    _check_version(model, model_id, model_version)
    tensors = describe_tensors(model.encoder)
    form = {"name": model_id, "versions": [model.version], "platform": PLATFORM, **tensors}
    return json_answer(form, headers=result_headers(model_id, model.record.id))


def is_model_ready(api: Api, model_id: ModelId, model_version: Version | None = None) -> Response:
    """Check that a model can be loaded."""
    _check_version(api.models.find_in_store(model_id), model_id, model_version)
    return json_answer({"name": model_id, "ready": True})


async def infer(
    request: BoundedRequest,
    api: Api,
    model_id: ModelId,
    json_bytes: Annotated[
        int | None,
        Header(alias=JSON_BYTES_HEADER, ge=0, description="Length of the JSON; binary values follow it."),
    ] = None,
    model_version: Version | None = None,
) -> Response:
    """Encode rows: input `rows`; outputs `codes`, `reconstruction_error`, `distance_percentile`, `status`.

    A model of series and grids has an input for each family as well: `family` FP32 [rows, steps, channels]
    with `family.lengths` INT64 [rows], or [rows, channels, height, width].
    """
    model = await api.models.find(model_id)
    _check_version(model, model_id, model_version)
    max_bytes = api.settings.max_json_bytes if json_bytes is None else api.settings.max_body_bytes
    _check_json_bytes(api, json_bytes)
    async with received(request, api.scratch_dir, max_bytes=max_bytes, memory_bytes=MEMORY_BYTES) as upload:
        here = is_quick(upload.size_bytes)
        inference = await call(here, read_inference, api, upload.file, json_bytes, model)
        check_row_count(api, len(inference.rows), model.encoder.width)
        state, encoder, with_doubt = request.scope["state"], model.encoder, inference.with_doubt
        if inference.channels:
            found = RowsOfChannels(inference.rows, inference.channels, {})
            encoded = await encode_channels(api, state, encoder, found, with_doubt=with_doubt)
        else:
            encoded = await encode(api, state, encoder, inference.rows, with_doubt=with_doubt)
    written = await call(here, write_inference, inference, encoded, model_id, model.version)
    return Response(written.body, 200, written.headers | result_headers(model_id, model.record.id))


def _add_model_routes() -> None:
    """Add the routes of a model twice: with a version in the path, and without."""
    tensors: dict[str, Any] = {"schema": BINARY_SCHEMA}
    body = {Format.JSON.value: {"schema": {"$ref": "#/components/schemas/InferenceRequest"}}, BINARY: tensors}
    for path in MODEL_PATHS:
        missing = problems(404, 500)
        router.add_api_route(path, describe_model, response_model=ModelMetadata, responses=missing)
        router.add_api_route(f"{path}/ready", is_model_ready, response_model=Readiness, responses=missing)
        router.add_api_route(
            f"{path}/infer",
            infer,
            methods=["POST"],
            responses={
                200: {
                    "model": InferenceAnswer,
                    "content": {BINARY: tensors},
                    "description": "The requested outputs.",
                },
                **problems(400, 404, 413, 415, 500),
            },
            openapi_extra={"requestBody": {"required": True, "content": body}},
        )


_add_model_routes()


def _check_version(model: ServedModel, key: str, wanted: str | None) -> None:
    """Raise `NotFoundError` if the model or alias has another version."""
    if wanted not in {None, model.version}:
        raise NotFoundError(f"{key} has the version {model.version}, not {wanted!r}", code="no_such_version")


def _check_json_bytes(api: Services, json_bytes: int | None) -> None:
    if json_bytes is not None and json_bytes > api.settings.max_json_bytes:
        raise TooLargeError(
            f"the JSON is larger than {api.settings.max_json_bytes} bytes", code="body_too_large"
        )
