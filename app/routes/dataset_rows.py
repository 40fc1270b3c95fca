"""Route of a dataset's rows: a file, or a stream that is encoded while it is sent."""

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from app.formats import Format, asked_format
from app.http.bounded_route import Route
from app.http.conditional import IMMUTABLE, is_known, not_modified, strong_tag
from app.openapi import Responses, array_response, problems
from app.problems import NotFoundError
from app.schemas.datasets import DatasetRows
from app.services import Api, DatasetId, Services
from app.tables.stream_rows import PART_BYTES, Rows, cut_rows, stream_rows
from worker.store import DatasetRecord, NotFound

ARRAY_FILES = (Format.NPZ, Format.HDF5)
ROW_FORMATS = (Format.NPY, Format.JSON, Format.CSV, Format.ARROW, Format.PARQUET, *ARRAY_FILES)
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

    NPZ and HDF5 hold what was uploaded, an array for each family: series as `family.values` and
    `family.offsets`, grids too; categories and times as in NPY. HDF5 names the features in the attribute
    `feature_names`, and has the keys below `/keys`. Of codes, the result of an encoding job, both have an
    array `/tokens/family_category_Llevel` for each category and level; its attributes in HDF5 tell
    `category`, `families` of its features (the name says `mixed` where there are several), `level` and
    `codebook_size`.
    """
    dataset = api.store.datasets.get(dataset_id)
    asked = asked_format(request.headers.get("accept"), ROW_FORMATS)
    if not dataset.table_features and asked not in ARRAY_FILES:
        raise NotFoundError(
            "the dataset has series and grids, but no columns; ask for NPZ or HDF5", code="no_columns"
        )
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
    if asked in ARRAY_FILES:
        return _array_file(api, dataset, keys if asked is Format.HDF5 else {}, asked, headers)
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


def _array_file(
    api: Services,
    dataset: DatasetRecord,
    keys: dict[str, list[str | None]],
    asked: Format,
    headers: dict[str, str],
) -> Response:
    """Answer with a file that is written first, and gone once it is sent."""
    module = import_module("app.tables.array_files")  # loads h5py, which most processes never need
    stored, columns = api.store.datasets, {column["name"]: column for column in dataset.columns}
    try:
        values = _mapped(stored.values_path(dataset.id))
        if all("codebook_size" in columns.get(name, {}) for name in dataset.features):
            arrays = module.code_arrays(values, dataset.features, columns)
        else:
            arrays = module.table_arrays(values, dataset.table_features, dataset.families)
        for k, kind in enumerate(dataset.kinds):
            is_series = kind["shape"] is None
            offsets = _mapped(stored.family_offsets_path(dataset.id, k)) if is_series else None
            arrays += module.channel_arrays(kind, _mapped(stored.family_values_path(dataset.id, k)), offsets)
    except FileNotFoundError:  # deleted meanwhile
        raise NotFound("dataset", dataset.id) from None
    file = module.open_array_file(arrays, keys, asked, api.scratch_dir)
    length = {"Content-Length": str(os.fstat(file.fileno()).st_size)}
    return StreamingResponse(_pieces(file), 200, headers | length, asked.value)


def _mapped(path: Path) -> NDArray[Any]:
    mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(PART_BYTES):
            yield piece
