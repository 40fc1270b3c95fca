"""Rows to codes and back, in every array format."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.answers import array_answer
from app.dependencies import Api, ModelId, Services
from app.documentation import array_response, problems, table_body
from app.encoder import Encoder
from app.encoding import CODES_ONLY, answer_of, encode, read_rows
from app.errors import MAX_PLACES, InvalidError, Place, TooLargeError
from app.media import ARRAY_FORMATS, ENCODING_FORMATS, Format, asked_format, sent_format
from app.routing import BoundedRequest, Route
from app.schemas.models import DecodingRequest, Decodings, EncodingRequest, Encodings
from app.tables.json_reader import load_json, parse_codes
from app.tables.numpy_reader import read_npy
from app.tables.table import Table
from app.tables.writing import Answer, matrix_columns
from app.uploads import Upload, received
from worker.store import ModelRecord

MEMORY_BYTES = 8 << 20  # a request of this size is not worth a file
CODE_FORMATS = (Format.JSON, Format.NPY)
ROWS_CSV = "p0,p1,m0\n0.5,1.0,2.0\n"
CODES_CSV = "category_0.0,category_1.0,reconstruction_error,distance_percentile,status\n3,1,0.18,41.5,ok\n"

router = APIRouter(
    prefix="/v1/models/{model_id}",
    route_class=Route,
    tags=["models"],
    responses=problems(400, 404, 406, 413, 415, 422, 500, 503, 507),
)


@router.post(
    "/encodings",
    responses=array_response(Encodings, ENCODING_FORMATS, csv_example=CODES_CSV),
    openapi_extra=table_body(EncodingRequest.model_json_schema(), ENCODING_FORMATS, csv_example=ROWS_CSV),
)
async def create_encodings(
    request: BoundedRequest,
    api: Api,
    model_id: ModelId,
    columns: Annotated[
        str | None,
        Query(description="JSON list of names, for an array that has none.", examples=['["a","b"]']),
    ] = None,
) -> Response:
    """Encode rows.

    A missing value is filled in as while training (status `imputed`). A row with an infinity, or a value
    beyond float32, is `invalid`: its codes are -1. Named columns are matched by name; those the model does
    not know are left out. NPY holds only the codes, every other format the status of each row as well and
    what tells how far to trust its codes: the reconstruction error, and the distance to the codes as a
    percentile of the training rows' distances (100: farther than all of them). `application/octet-stream`
    is little-endian without a header: float32 rows in, int64 codes out; it is the fastest, with NPY.
    """
    file_format = sent_format(request.headers.get("content-type"), ENCODING_FORMATS)
    asked = asked_format(request.headers.get("accept"), ENCODING_FORMATS)
    record = await run_in_threadpool(api.store.models.get, model_id)
    encoder = await run_in_threadpool(api.encoders.get, record.id)
    max_bytes = api.settings.max_json_bytes if file_format is Format.JSON else api.settings.max_body_bytes
    async with received(request, api.scratch_dir, max_bytes=max_bytes, memory_bytes=MEMORY_BYTES) as upload:
        rows = await run_in_threadpool(read_rows, api, encoder, upload.file, file_format, columns)
        encoded = await encode(api, encoder, rows, with_doubt=asked not in CODES_ONLY)
    answer = answer_of(record.id, encoder, encoded)
    return await run_in_threadpool(
        array_answer, request, answer, ENCODING_FORMATS, headers_of_result(model_id, record)
    )


@router.post(
    "/decodings",
    responses=array_response(Decodings, ARRAY_FORMATS, csv_example=ROWS_CSV),
    openapi_extra=table_body(DecodingRequest.model_json_schema(), CODE_FORMATS, csv_example=""),
)
async def create_decodings(request: BoundedRequest, api: Api, model_id: ModelId) -> Response:
    """Decode codes to rows in the units of the dataset."""
    file_format = sent_format(request.headers.get("content-type"), CODE_FORMATS)
    asked_format(request.headers.get("accept"), ARRAY_FORMATS)
    record = await run_in_threadpool(api.store.models.get, model_id)
    max_bytes = api.settings.max_json_bytes if file_format is Format.JSON else api.settings.max_body_bytes
    async with received(request, api.scratch_dir, max_bytes=max_bytes, memory_bytes=MEMORY_BYTES) as upload:
        answer = await run_in_threadpool(_decode, api, record, upload=upload, file_format=file_format)
    return await run_in_threadpool(
        array_answer, request, answer, ARRAY_FORMATS, headers_of_result(model_id, record)
    )


def headers_of_result(asked: str, record: ModelRecord) -> dict[str, str]:
    """Return which model an alias stood for when the result was made."""
    return {} if asked == record.id else {"Link": f'</v1/models/{record.id}>; rel="describedby"'}


def _decode(api: Services, record: ModelRecord, *, upload: Upload, file_format: Format) -> Answer:
    encoder = api.encoders.get(record.id)
    codes = _codes(api, encoder, upload, file_format)
    sizes = [size for levels in record.document["codebook_size"] for size in levels]
    _check_codes(codes, np.array(sizes), encoder.tokens)
    rows = encoder.decode(codes)
    return Answer(
        document=lambda: {"model": record.id, "features": encoder.features, "rows": rows},
        array=lambda: rows,
        columns=lambda: matrix_columns(encoder.features, rows),
    )


def _codes(api: Services, encoder: Encoder, upload: Upload, file_format: Format) -> NDArray[np.int64]:
    width = len(encoder.tokens)
    if file_format is Format.JSON:
        upload.file.seek(0)
        codes: NDArray[Any] = parse_codes(load_json(upload.file.read()), encoder.tokens)
    else:
        codes = _whole_numbers(read_npy(upload.file, api.table_limits), width)
    if len(codes) > api.settings.max_encode_rows:
        raise TooLargeError(f"more than {api.settings.max_encode_rows} rows", code="too_many_rows")
    # Beyond int64 nothing is a code; clipping keeps it out of range for the check that follows.
    whole: NDArray[np.int64] = np.clip(codes, -1, np.iinfo(np.int32).max).astype(np.int64)
    return whole


def _whole_numbers(table: Table, width: int) -> NDArray[Any]:
    blocks = list(table.blocks)
    if len(table.columns) != width:
        detail = f"the codes have {len(table.columns)} tokens, the model {width}"
        raise InvalidError(detail, [Place(detail=detail, field="codes")], code="wrong_width")
    if not blocks:
        raise InvalidError("there are no rows", code="no_rows")
    codes = np.concatenate(blocks)
    if codes.dtype.kind not in "iu":
        raise InvalidError(f"codes are whole numbers, not {codes.dtype}", code="not_integer")
    return codes


def _check_codes(codes: NDArray[np.int64], sizes: NDArray[np.int64], tokens: tuple[str, ...]) -> None:
    places = [
        Place(
            detail=f"{codes[row, token]} is not in 0..{sizes[token] - 1}",
            field="codes",
            row=row + 1,
            token=tokens[token],
        )
        for row, token in np.argwhere((codes < 0) | (codes >= sizes))[:MAX_PLACES].tolist()
    ]
    if places:
        first = places[0]
        raise InvalidError(
            f"row {first.row}, token {first.token!r}: {first.detail}", places, code="code_out_of_range"
        )
