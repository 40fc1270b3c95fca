"""Datasets: uploaded as a stream, checked, kept."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app.formats import DATASET_FORMATS, Format, sent_format
from app.http.bounded_route import BoundedRequest, Route
from app.http.responses import json_answer, list_answer
from app.http.uploads import received
from app.openapi import problems, table_body
from app.requests.jobs.submit import key_id_of
from app.requests.store_upload import Sent, preview, store
from app.requests.upload_query import UploadQuery
from app.schemas.common import Cursor, ListPage, PageLimit
from app.schemas.datasets import DATASET_EXAMPLE, Dataset, DatasetPreview, to_dataset
from app.schemas.encodings import EncodingRequest
from app.services import Api, DatasetId

CSV_EXAMPLE = "p0,p1,m0\n0.5,1.0,2.0\n0.1,,1.5\n"
TABLE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Rows of numbers, text, true and false, series and grids by family; null is missing.",
    "anyOf": [{"required": ["rows"]}, {"required": ["families"]}],
    "additionalProperties": False,
    "properties": EncodingRequest.model_json_schema()["properties"],
    "example": {"rows": [[0.5, 1.0, 2.0], [0.1, None, 1.5]], "columns": ["p0", "p1", "m0"]},
}

router = APIRouter(
    prefix="/v1/datasets", route_class=Route, tags=["datasets"], responses=problems(422, 503, 507)
)


@router.post(
    "",
    status_code=201,
    response_model=Dataset,
    responses={
        200: {
            "model": Dataset | DatasetPreview,
            "content": {Format.JSON.value: {"example": DATASET_EXAMPLE}},
            "description": "The same bytes and settings were uploaded before, or a dry run.",
        },
        **problems(400, 413, 415),
    },
    openapi_extra=table_body(TABLE_SCHEMA, DATASET_FORMATS, csv_example=CSV_EXAMPLE),
)
async def create_dataset(
    request: BoundedRequest,
    api: Api,
    query: Annotated[UploadQuery, Query()],
) -> Response:
    """Upload a table: the body is the file itself, also packed with gzip.

    Cells that are empty, NaN, null or one of the usual words (NA, N/A, None, ...) are missing. Without a type
    a column of numbers, or of true and false, is numeric; dates and a stored index are left out; text with
    few different values is categorical, other text is left out. A warning names each such column. Rows of
    data count from 1 in errors; a header line is not counted. NPZ and HDF5 hold one array per family, whose
    features are called family_0, family_1, ... Series have a length of their own in each row: arrays [rows,
    steps, channels] with `family.lengths`, or `family.values` and `family.offsets`; lists of Arrow, Parquet
    and JSON. Grids are arrays [rows, channels, height, width], or tensors.
    """
    content_type = request.headers.get("content-type")
    file_format = sent_format(content_type, DATASET_FORMATS)
    options = query.options(content_type)
    limits = api.settings.max_json_bytes if file_format is Format.JSON else api.settings.max_body_bytes
    api.quotas.count(request.scope["state"], "uploads")
    sent = Sent(file_format, options, query.name, query.families, query.strict, key_id_of(request))
    async with received(request, api.scratch_dir, max_bytes=limits) as upload:
        if query.dry_run:
            return json_answer(await run_in_threadpool(preview, api, upload, sent))
        record, is_new = await run_in_threadpool(store, api, upload, sent)
    headers = {"Location": f"/v1/datasets/{record.id}"}
    return json_answer(to_dataset(record), 201 if is_new else 200, headers)


@router.get("", response_model=ListPage[Dataset])
def list_datasets(request: Request, api: Api, limit: PageLimit = 50, cursor: Cursor = None) -> Response:
    """List datasets, newest first."""
    page = api.store.datasets.list(limit, cursor)
    return list_answer(request, [to_dataset(record) for record in page.items], page.next_cursor)


@router.get("/{dataset_id}", response_model=Dataset, responses=problems(404))
def get_dataset(api: Api, dataset_id: DatasetId) -> Response:
    """Describe a dataset."""
    return json_answer(to_dataset(api.store.datasets.get(dataset_id)))


@router.delete("/{dataset_id}", status_code=204, responses=problems(404, 409))
def delete_dataset(api: Api, dataset_id: DatasetId) -> Response:
    """Delete a dataset that no unfinished job needs."""
    api.store.datasets.delete(dataset_id)
    return Response(status_code=204)
