"""Route of a dataset's rows: a file, or a stream that is encoded while it is sent."""

from importlib import import_module

import numpy as np
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from app.formats import Format, asked_format
from app.http.bounded_route import Route
from app.http.conditional import IMMUTABLE, is_known, not_modified, strong_tag
from app.openapi import Responses, array_response, problems
from app.problems import NotFoundError
from app.schemas.datasets import DatasetRows
from app.services import Api, DatasetId, Services
from app.tables.stream_rows import Rows, cut_rows, stream_rows
from worker.store import DatasetRecord, NotFound

ROW_FORMATS = (Format.NPY, Format.JSON, Format.CSV, Format.ARROW, Format.PARQUET)
ROWS_CSV = "p0,p1,m0\n0.5,1,2\n0.1,,1.5\n"
CONTENT: Responses = {
    **array_response(DatasetRows, ROW_FORMATS, csv_example=ROWS_CSV),
    206: {"description": "The requested `Range`; NPY only."},
    304: {"description": "Not changed since the `ETag` in `If-None-Match`."},
}

router = APIRouter(prefix="/v1/datasets/{dataset_id}", route_class=Route, tags=["datasets"])


@router.get("/rows", response_class=Response, responses={**CONTENT, **problems(404, 406, 422, 503, 507)})
def get_dataset_rows(request: Request, api: Api, dataset_id: DatasetId) -> Response:
    """Return all rows of the table, columns in the order of the features; NaN or an empty cell is missing.

    Series and grids are no part of it; a dataset of nothing else has no rows here (404). Numbers are
    float32, or float64 where the dataset needs it. A categorical cell is text, in NPY the index of its value.
    A time is given as such, in NPY as its seconds since the column's origin. Keys come first, but not in NPY.
    """
    dataset = api.store.datasets.get(dataset_id)
    asked = asked_format(request.headers.get("accept"), ROW_FORMATS)
    if not dataset.table_features:
        raise NotFoundError("the dataset has series and grids, but no columns", code="no_columns")
    tag = strong_tag(dataset.digest, asked.value)
    headers = {"ETag": tag, "Cache-Control": IMMUTABLE, "Vary": "Accept"}
    if is_known(request, tag):
        return not_modified(headers)
    try:
        path = api.store.datasets.values_path(dataset.id)
        path.stat()
    except FileNotFoundError:  # deleted meanwhile
        raise NotFound("dataset", dataset.id) from None
    if asked is Format.NPY:
        return FileResponse(path, headers=headers, media_type=asked.value)
    keys = _read_keys(api, dataset) if any(column["type"] == "key" for column in dataset.columns) else {}
    rows = Rows(
        names=dataset.table_features,
        count=dataset.rows,
        parts=cut_rows(path),
        dtype=np.load(path, mmap_mode="r", allow_pickle=False).dtype.str,
        values_of={
            column["name"]: column["values"] for column in dataset.columns if column["type"] == "categorical"
        },
        origins={
            column["name"]: column["origin"] for column in dataset.columns if column["type"] == "datetime"
        },
        keys=keys,
        head={"columns": dataset.table_features, "keys": keys},
    )
    return StreamingResponse(stream_rows(rows, asked), 200, headers, asked.value)


def _read_keys(api: Services, dataset: DatasetRecord) -> dict[str, list[str | None]]:
    try:
        path = api.store.datasets.keys_path(dataset.id)
        keys: dict[str, list[str | None]] = import_module("app.tables.store_keys").read_keys(path)
    except FileNotFoundError:  # deleted meanwhile
        raise NotFound("dataset", dataset.id) from None
    return keys
