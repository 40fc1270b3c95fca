"""Route that submits a job to encode a whole dataset; the result is a dataset of codes."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.http.bounded_route import Route
from app.http.error_handlers import naming
from app.openapi import problems
from app.problems import InvalidError, Place
from app.requests.encode import check_features, check_keys, check_keys_differ, check_types
from app.requests.jobs.submit import IdempotencyKey, sender_of, submission_answer
from app.requests.upload_query import KeysOfRows
from app.schemas.jobs import Job
from app.services import Api, ModelId
from app.tables.columns.options import parse_names
from worker.contract.job_config import EncodingJobRequest

EXAMPLE: dict[str, Any] = {"dataset": "ds_2f9c51d1a0b34c7e8d6f5a21", "name": "codes of digits"}

router = APIRouter(prefix="/v1/models/{model_id}", route_class=Route, tags=["models"])


@router.post(
    "/encoding-jobs",
    status_code=202,
    response_model=Job,
    responses=problems(400, 404, 413, 415, 422, 503, 507),
    openapi_extra={"requestBody": {"content": {"application/json": {"example": EXAMPLE}}}},
)
def create_encoding_job(
    request: Request,
    api: Api,
    model_id: ModelId,
    body: EncodingJobRequest,
    keys: KeysOfRows = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Submit a job that encodes a dataset of any size.

    Columns are matched by name. The job behaves like any other: it waits for a worker, reports its progress
    in rows, can be paused and cancelled, and survives the loss of its worker. Its `result` is the id of a
    dataset with one feature for each category and level and one family for each category; read it at
    `/v1/datasets/{dataset_id}/rows`. `keys`, of the dataset's, become the result's. With `prefixes` each row
    is encoded at several lengths of its series. What is asked for twice is stored once.
    """
    named = dict.fromkeys([*body.keys, *(parse_names("keys", keys) or ())])
    body = body.model_copy(update={"keys": list(named)})
    model = api.store.models.get(model_id)
    with naming("dataset"):
        dataset = api.store.datasets.get(body.dataset)
    check_features(dataset.features, model.document["features"])
    check_types(dataset, model)
    check_keys(dataset, body.keys)
    codes = {
        f"{category}.{level}"
        for category in model.document["categories"]
        for level in range(model.document["levels"])
    }
    check_keys_differ(body.keys, codes, "rename the key")
    if body.prefixes and all(kind["kind"] != "series" for kind in model.document["kinds"]):
        place = Place(detail="the model has no series", field="prefixes")
        raise InvalidError("only series have prefixes", [place])
    api.quotas.count(request.scope["state"], "jobs")
    submission = api.store.jobs.submit_encoding(
        body, model.id, rows=dataset.rows, **sender_of(request, body, idempotency_key)
    )
    return submission_answer(api, submission)
