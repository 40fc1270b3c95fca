"""Routes of models: description, grouping, assignment, codebook, artifact (all immutable) and report."""

import hashlib
import io
from base64 import b64encode
from enum import StrEnum
from typing import Annotated, Any

import numpy as np
import orjson
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from app.formats import ASSIGNMENT_FORMATS, GROUPING_FORMATS, Format, asked_format
from app.http.bounded_route import Route
from app.http.conditional import REVALIDATE, is_known, not_modified, strong_tag
from app.http.error_handlers import naming
from app.http.responses import list_answer, rows_answer
from app.inference.document_cache import Document, document_answer
from app.inference.encoder import ENCODER_FILE
from app.inference.model_lookup import document_headers
from app.openapi import BINARY_SCHEMA, array_response, problems
from app.pictures.cards import draw_grouping
from app.pictures.render import render
from app.requests.model_diff import compare_groupings
from app.schemas.common import Cursor, ListPage, PageLimit
from app.schemas.model_diff import ModelDiff
from app.schemas.models import Codebook, FrozenAssignment, Grouping, Model, to_model
from app.schemas.reports import FINAL, Report, status_of, to_report
from app.services import Api, ModelId, OtherModelId, Services
from app.tables.stream_rows import Rows, cut, rows_per_part, stream_rows
from app.tables.write import to_json
from worker.store import ModelRecord, NotFound

ARTIFACT_MEDIA_TYPE = "application/octet-stream"
ASSIGNMENT_CSV = "feature,category_0,category_1\np0,0.97,0.03\np1,0.1,0.9\n"
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "Not changed since the `ETag` in `If-None-Match`."}
}

router = APIRouter(prefix="/v1/models", route_class=Route, tags=["models"], responses=problems(422, 503, 507))


class Kind(StrEnum):
    """Soft or hard assignment of a frozen model."""

    SOFT = "soft"
    HARD = "hard"


@router.get("", response_model=ListPage[Model])
def list_models(request: Request, api: Api, limit: PageLimit = 50, cursor: Cursor = None) -> Response:
    """List models, newest first."""
    page = api.store.models.list(limit, cursor)
    return list_answer(request, [to_model(record) for record in page.items], page.next_cursor)


@router.get("/{model_id}", response_model=Model, responses={**NOT_MODIFIED, **problems(404)})
def get_model(request: Request, api: Api, model_id: ModelId) -> Response:
    """Return a model's description and metrics."""
    record = api.store.models.get(model_id)
    document = api.documents.get(record.id, "", Format.JSON.value, lambda: to_json(to_model(record)))
    return document_answer(request, document, document_headers(model_id, record.id, ""))


@router.delete("/{model_id}", status_code=204, responses=problems(404, 409))
def delete_model(api: Api, model_id: ModelId) -> Response:
    """Delete a model that no alias and no unfinished job refers to."""
    record = api.store.models.get(model_id)
    api.store.models.delete(record.id)
    api.models.forget(record.id)
    api.documents.drop(record.id)
    return Response(status_code=204)


@router.get(
    "/{model_id}/grouping",
    responses={**array_response(Grouping, GROUPING_FORMATS), **NOT_MODIFIED, **problems(404, 406)},
)
def get_grouping(request: Request, api: Api, model_id: ModelId) -> Response:
    """Return the frozen category of every feature."""
    asked = asked_format(request.headers.get("accept"), GROUPING_FORMATS)
    if asked is Format.JSON:
        return _file_answer(request, api, model_id, "grouping")
    record = api.store.models.get(model_id)
    document = api.documents.get(
        record.id,
        f"grouping {asked.value}",
        asked.value,
        lambda: render(draw_grouping(_part(api, record, "grouping")), asked),
    )
    return document_answer(request, document, document_headers(model_id, record.id, "/grouping"))


@router.get(
    "/{model_id}/assignment",
    responses={
        **array_response(FrozenAssignment, ASSIGNMENT_FORMATS, csv_example=ASSIGNMENT_CSV),
        **NOT_MODIFIED,
        **problems(404, 406),
    },
)
def get_model_assignment(
    request: Request,
    api: Api,
    model_id: ModelId,
    kind: Annotated[
        Kind, Query(description="`soft`: the probabilities at the freeze; `hard`: 0 and 1.")
    ] = Kind.SOFT,
) -> Response:
    """Return the assignment of features to categories, one row per feature."""
    record = api.store.models.get(model_id)
    asked = asked_format(request.headers.get("accept"), ASSIGNMENT_FORMATS)
    headers = document_headers(model_id, record.id, "/assignment")
    if len(record.document["features"]) > rows_per_part(len(record.document["categories"])):
        headers["ETag"] = strong_tag(record.digest, kind, asked.value)
        if is_known(request, headers["ETag"]):
            return not_modified(headers)
        return rows_answer(_assignment(api, record, kind), asked, headers)
    document = api.documents.get(
        record.id,
        f"assignment {kind} {asked.value}",
        asked.value,
        lambda: b"".join(stream_rows(_assignment(api, record, kind), asked)),
    )
    return document_answer(request, document, headers)


@router.get("/{model_id}/codebook", response_model=Codebook, responses={**NOT_MODIFIED, **problems(404)})
def get_codebook(request: Request, api: Api, model_id: ModelId) -> Response:
    """Return all codebooks, with their usage on the training rows."""
    return _file_answer(request, api, model_id, "codebook")


@router.get("/{model_id}/report", response_model=Report, responses={**NOT_MODIFIED, **problems(404)})
def get_report(request: Request, api: Api, model_id: ModelId) -> Response:
    """Return measurements of the training, and the comparison with simpler methods once it is done."""
    record = api.store.models.get(model_id)
    headers = document_headers(model_id, record.id, "/report")
    comparison = api.store.comparisons.get(record.id)

    def make() -> bytes:
        return to_json(to_report(record.id, _read_json(api, record, "report.json"), comparison))

    if status_of(comparison) in FINAL:
        document = api.documents.get(record.id, "report", Format.JSON.value, make)
    else:
        document = Document.make(make(), Format.JSON.value)
        headers["Cache-Control"] = REVALIDATE
    return document_answer(request, document, headers)


@router.get("/{model_id}/diff", response_model=ModelDiff, responses={**NOT_MODIFIED, **problems(404)})
def compare_models(request: Request, api: Api, model_id: ModelId, to: OtherModelId) -> Response:
    """Compare a model's grouping with that of another model, such as one that was trained again."""
    one = api.store.models.get(model_id)
    with naming("to"):
        other = api.store.models.get(to)

    def make() -> bytes:
        parts = (_part(api, record, "grouping") for record in (one, other))
        return to_json(compare_groupings(*parts))

    document = api.documents.get(one.id, f"diff {other.id}", Format.JSON.value, make)
    key = model_id if to == other.id else to  # if either is an alias, the answer may change
    return document_answer(request, document, document_headers(key, one.id, f"/diff?to={other.id}"))


@router.get(
    "/{model_id}/artifact",
    response_class=Response,
    responses={
        200: {
            "description": "One ONNX file: `rows` [rows, features] in the model's `rows_dtype`, "
            "to `codes` int64 [rows, tokens].",
            "content": {ARTIFACT_MEDIA_TYPE: {"schema": BINARY_SCHEMA}},
        },
        **NOT_MODIFIED,
        **problems(404),
    },
)
def get_artifact(request: Request, api: Api, model_id: ModelId) -> Response:
    """Download the encoder, which runs without this service; `Repr-Digest` holds its SHA-256."""
    record = api.store.models.get(model_id)
    headers = document_headers(model_id, record.id, "/artifact")
    headers["Content-Disposition"] = f'attachment; filename="{record.id}.onnx"'
    document = api.documents.get(
        record.id, "artifact", ARTIFACT_MEDIA_TYPE, lambda: _read(api, record, ENCODER_FILE)
    )
    digest = b64encode(hashlib.sha256(document.body).digest()).decode()
    return document_answer(request, document, headers | {"Repr-Digest": f"sha-256=:{digest}:"})


def _file_answer(request: Request, api: Services, model_id: str, part: str) -> Response:
    """Answer with one of a model's JSON files, under the model's id."""
    record = api.store.models.get(model_id)
    document = api.documents.get(
        record.id, part, Format.JSON.value, lambda: to_json(_part(api, record, part))
    )
    return document_answer(request, document, document_headers(model_id, record.id, f"/{part}"))


def _part(api: Services, record: ModelRecord, part: str) -> dict[str, Any]:
    return {"model": record.id, **_read_json(api, record, f"{part}.json")}


def _assignment(api: Services, record: ModelRecord, kind: Kind) -> Rows:
    features, categories = record.document["features"], record.document["categories"]
    return Rows(
        names=categories,
        count=len(features),
        parts=cut(_matrix(api, record, kind), len(categories)),
        head={"model": record.id, "features": features, "categories": categories},
        list_name="matrix",
        keys={"feature": features},
    )


def _matrix(api: Services, record: ModelRecord, kind: Kind) -> NDArray[np.float32]:
    if kind is Kind.SOFT:
        matrix: NDArray[np.float32] = np.load(
            io.BytesIO(_read(api, record, "assignment.npy")), allow_pickle=False
        )
        return matrix
    features = _read_json(api, record, "grouping.json")["features"]
    hard = np.zeros((len(features), len(record.document["categories"])), np.float32)
    hard[np.arange(len(features)), [feature["category"] for feature in features]] = 1
    return hard


def _read_json(api: Services, record: ModelRecord, name: str) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(_read(api, record, name))
    return document


def _read(api: Services, record: ModelRecord, name: str) -> bytes:
    try:
        return (api.store.models.directory(record.id) / name).read_bytes()
    except FileNotFoundError:  # deleted meanwhile
        raise NotFound("model", record.id) from None
