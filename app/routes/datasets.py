"""Datasets: uploaded as a stream, checked, kept."""

import hashlib
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app.formats import DATASET_FORMATS, Format, sent_format
from app.http.bounded_route import BoundedRequest, Route
from app.http.responses import json_answer, list_answer
from app.http.uploads import Upload, received
from app.openapi import problems, table_body
from app.problems import InvalidError, Place
from app.requests.submit import key_id_of
from app.schemas.common import Cursor, ListPage, PageLimit
from app.schemas.datasets import Dataset, to_dataset
from app.schemas.models import EncodingRequest
from app.services import Api, DatasetId, Services
from app.tables.families import columns_of, families_of
from app.tables.open_table import open_table
from app.tables.store_values import Warned, write_values
from worker.contract.job_config import Name
from worker.store import DatasetRecord, NewDataset

CSV_EXAMPLE = "p0,p1,m0\n0.5,1.0,2.0\n0.1,,1.5\n"
TABLE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Rows of numbers; null is missing.",
    "required": ["rows"],
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
        200: {"model": Dataset, "description": "The same bytes and settings were uploaded before."},
        **problems(400, 413, 415),
    },
    openapi_extra=table_body(TABLE_SCHEMA, DATASET_FORMATS, csv_example=CSV_EXAMPLE),
)
async def create_dataset(
    request: BoundedRequest,
    api: Api,
    name: Annotated[Name | None, Query(description="A name for people.")] = None,
    families: Annotated[
        str | None,
        Query(
            description='JSON `{"family": ["feature", ...]}` that names every feature once, or `prefix:` '
            "and what ends a feature's prefix, as in `prefix:_`. Without it all features are one family.",
            examples=["prefix:_"],
        ),
    ] = None,
    columns: Annotated[
        str | None,
        Query(description="JSON list of names, for an array that has none.", examples=['["a","b"]']),
    ] = None,
    strict: Annotated[bool, Query(description="Refuse what would be a warning.")] = False,  # noqa: FBT002 - a query parameter
) -> Response:
    """Upload a table: the body is the file itself.

    An empty cell, null or NaN is missing. Rows of data count from 1 in errors; a header line is not counted.
    NPZ and HDF5 hold one array per family, whose features are called family_0, family_1, ...
    """
    file_format = sent_format(request.headers.get("content-type"), DATASET_FORMATS)
    limits = api.settings.max_json_bytes if file_format is Format.JSON else api.settings.max_body_bytes
    api.quotas.count(request.scope["state"], "uploads")
    settings = {"name": name, "families": families, "columns": columns, "strict": strict}
    key_id = key_id_of(request)
    async with received(request, api.scratch_dir, max_bytes=limits) as upload:
        record, is_new = await run_in_threadpool(
            _store, api, upload, file_format=file_format, settings=settings, key_id=key_id
        )
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


def _store(
    api: Services, upload: Upload, *, file_format: Format, settings: dict[str, Any], key_id: str | None
) -> tuple[DatasetRecord, bool]:
    """Parse an upload into the store, unless it is there already."""
    described = orjson.dumps({"format": file_format.value, **settings}, option=orjson.OPT_SORT_KEYS)
    digest = f"sha256:{hashlib.sha256(upload.digest.encode() + described).hexdigest()}"
    known = api.store.datasets.find_by_digest(digest)
    if known is not None:
        return known, False
    api.store.datasets.check_room(1, key_id)  # a full store need not unpack anything
    limits = api.table_limits(upload.file)
    table = open_table(upload.file, file_format, limits)
    features = columns_of(table, settings["columns"], limits)
    families = families_of(table, features, settings["families"])
    handle, path = tempfile.mkstemp(dir=api.scratch_dir, prefix="values-", suffix=".npy")
    try:
        with os.fdopen(handle, "wb") as target:
            written = write_values(table, features, target, limits)
        if settings["strict"] and written.warnings:
            raise _refuse(written.warnings)
        new = NewDataset(
            name=settings["name"],
            features=list(features),
            families=families,
            digest=digest,
            rows=written.rows,
            warnings=[asdict(warning) for warning in written.warnings],
            key_id=key_id,
        )
        return api.store.datasets.create(new, Path(path))
    finally:
        Path(path).unlink(missing_ok=True)


def _refuse(warnings: tuple[Warned, ...]) -> InvalidError:
    faults = [Place(detail=warning.detail, column=warning.column) for warning in warnings]
    return InvalidError(f"strict: {warnings[0].detail}", faults, code=warnings[0].code)
