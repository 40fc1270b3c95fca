"""Routes that encode rows and decode codes, in all array formats."""

from functools import partial
from itertools import chain
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.formats import ARRAY_FORMATS, ENCODING_FORMATS, ROW_FORMATS, Format, asked_format, sent_format
from app.http.bounded_route import BoundedRequest, ReadingRoute
from app.http.responses import array_answer, rows_answer
from app.http.uploads import Upload, received
from app.inference.channels import descriptor_names
from app.inference.model_lookup import ServedModel, result_headers
from app.openapi import array_response, problems, table_body
from app.problems import MAX_PLACES, InvalidError, Place
from app.requests.encode import (
    CODES_ONLY,
    DOUBTS,
    STATUS,
    answer_of,
    call,
    check_keys_differ,
    check_row_count,
    encode,
    is_quick,
    read_keyed_rows,
)
from app.requests.encode_channels import encode_channels, read_channels
from app.requests.levels import Levels, tokens_of_levels
from app.requests.upload_query import RowsQuery
from app.schemas.encodings import DecodingRequest, Decodings, EncodingRequest, Encodings
from app.services import Api, ModelId, Services
from app.tables.readers.json_reader import load_rows, parse_codes
from app.tables.readers.numpy_reader import read_matrix
from app.tables.stream_rows import Rows, cut
from app.tables.table import check_has_rows

MEMORY_BYTES = 8 << 20  # smaller bodies are kept in memory
CODE_FORMATS = (Format.JSON, Format.NPY)
ROWS_CSV = "p0,p1,m0\n0.5,1.0,2.0\n"
CODES_CSV = "category_0.0,category_1.0,reconstruction_error,distance_percentile,status\n3,1,0.18,41.5,ok\n"

router = APIRouter(
    prefix="/v1/models/{model_id}",
    route_class=ReadingRoute,
    tags=["models"],
    responses=problems(400, 404, 406, 413, 415, 422, 500, 503, 507),
)


@router.post(
    "/encodings",
    responses=array_response(Encodings, ENCODING_FORMATS, csv_example=CODES_CSV),
    openapi_extra=table_body(EncodingRequest.model_json_schema(), ROW_FORMATS, csv_example=ROWS_CSV),
)
async def create_encodings(
    request: BoundedRequest,
    api: Api,
    model_id: ModelId,
    query: Annotated[RowsQuery, Query()],
) -> Response:
    """Encode rows.

    A missing value is imputed as in training (status `imputed`). A row with an infinity, or a value beyond
    the model's `rows_dtype`, is `invalid`: its codes are -1. Named columns are matched by name; columns that
    the model does not have are ignored. NPY and `application/octet-stream` return only codes. The other
    formats also return each row's status, reconstruction error, and distance to its codes as a percentile of
    the training rows' distances (100: farther than all of them). Series and grids come by family: as arrays
    of NPZ and HDF5 (columns then as the array `rows`, or by family), as lists of Arrow and Parquet, or as
    JSON `{"rows": [...], "families": {family: nested lists}}`. `application/octet-stream` is little-endian
    without a header: rows in the model's `rows_dtype` in, int64 codes out; with NPY it is the fastest format.

    `levels=` returns shorter codes, which `levels=` of decodings takes: those of the coarser levels of each
    category. Error and distance are those of all levels; the report's `by_levels` has the error by number.
    """
    file_format = sent_format(request.headers.get("content-type"), ROW_FORMATS)
    asked = asked_format(request.headers.get("accept"), ENCODING_FORMATS)
    model = await api.models.find(model_id)
    kept_tokens = tokens_of_levels(model, query.levels)
    max_bytes = api.settings.max_json_bytes if file_format is Format.JSON else api.settings.max_body_bytes
    async with received(request, api.scratch_dir, max_bytes=max_bytes, memory_bytes=MEMORY_BYTES) as upload:
        here = is_quick(upload.size_bytes, file_format, asked)
        options = query.options(request.headers.get("content-type"), model.options)
        if options.types and asked in CODES_ONLY:
            raise InvalidError(
                f"{asked.value} holds codes alone", [Place(detail="not with it", field="keys")]
            )
        if asked is not Format.JSON:
            names = {*model.encoder.tokens, *DOUBTS, STATUS}
            check_keys_differ(options.types, names, "rename the key, or ask for JSON, which holds keys apart")
        state, encoder, with_doubt = request.scope["state"], model.encoder, asked not in CODES_ONLY
        if encoder.families:
            found = await run_in_threadpool(
                read_channels, api, encoder, upload.file, file_format, options=options
            )
            kept = found.keys
            encoded = await encode_channels(api, state, encoder, found, with_doubt=with_doubt)
        else:
            read = partial(read_keyed_rows, options=options)
            rows, kept = await call(here, read, api, encoder, upload.file, file_format)
            encoded = await encode(api, state, encoder, rows, with_doubt=with_doubt)
    tokens = [encoder.tokens[token] for token in kept_tokens]
    if query.levels is not None:
        encoded = encoded._replace(codes=encoded.codes.take(kept_tokens, axis=1))
    answer = answer_of(model.record.id, tokens, encoded, kept)
    headers = result_headers(model_id, model.record.id)
    return await call(here, array_answer, request, answer, ENCODING_FORMATS, headers)


@router.post(
    "/decodings",
    responses=array_response(Decodings, ARRAY_FORMATS, csv_example=ROWS_CSV),
    openapi_extra=table_body(DecodingRequest.model_json_schema(), CODE_FORMATS, csv_example=""),
)
async def create_decodings(
    request: BoundedRequest, api: Api, model_id: ModelId, levels: Levels = None
) -> Response:
    """Decode codes to rows in the dataset's units.

    `levels=` takes the codes of so many levels of each category; each further level brings the rows nearer.

    A time is given as a date; in NPY it is its seconds since the feature's origin. Of each channel of a
    series or grid its descriptors are given: in JSON by family, `values` [rows, channels, descriptors], in
    other formats as columns `family/channel.descriptor` after those of the features.
    """
    file_format = sent_format(request.headers.get("content-type"), CODE_FORMATS)
    asked = asked_format(request.headers.get("accept"), ARRAY_FORMATS)
    model = await api.models.find(model_id)
    max_bytes = api.settings.max_json_bytes if file_format is Format.JSON else api.settings.max_body_bytes
    async with received(request, api.scratch_dir, max_bytes=max_bytes, memory_bytes=MEMORY_BYTES) as upload:
        tokens = tokens_of_levels(model, levels)
        decode = partial(_decode, api, model, tokens=tokens, upload=upload, is_nested=asked is Format.JSON)
        rows = await run_in_threadpool(decode, file_format)
    return await run_in_threadpool(rows_answer, rows, asked, result_headers(model_id, model.record.id))


def _decode(
    api: Services,
    model: ServedModel,
    file_format: Format,
    *,
    tokens: NDArray[np.int64],
    upload: Upload,
    is_nested: bool,
) -> Rows:
    """Check all codes and decode the first part; the others are decoded while they are sent.

    Args:
        is_nested: Descriptors of channels are nested by family, and not columns beside the others.
    """
    record, encoder = model.record, model.encoder
    names = tuple(encoder.tokens[token] for token in tokens)
    codes = _codes(api, names, upload, file_format)
    sizes = np.array([size for levels in record.document["codebook_size"] for size in levels])
    _check_codes(codes, sizes[tokens], names)
    described = () if is_nested else tuple(chain.from_iterable(map(descriptor_names, encoder.families)))
    parts = (
        _filled(part, tokens, len(encoder.tokens))
        for part in cut(codes, len(encoder.features) + len(described))
    )
    rows = (encoder.decode_flat(part) if described else encoder.decode(part) for part in parts)
    head: dict[str, Any] = {"model": record.id, "features": encoder.features}
    if encoder.families and is_nested:
        found = encoder.decode_channels(_filled(codes, tokens, len(encoder.tokens)))
        head["families"] = {
            family.name: {
                "channels": family.channels,
                "descriptors": family.descriptors,
                "values": found[family.name],
            }
            for family in encoder.families
        }
    return Rows(
        names=(*encoder.features, *described),
        count=len(codes),
        dtype=encoder.dtype.newbyteorder("<").str,
        values_of={name: values for name, values in encoder.values_of.items() if values is not None},
        origins=encoder.origins,
        parts=chain([next(rows)], rows),  # a damaged model is found before the response starts
        head=head,
    )


def _filled(codes: NDArray[np.int64], tokens: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Codes of all tokens, with -1 for those that were left out."""
    if len(tokens) == width:
        return codes
    filled = np.full((len(codes), width), -1)
    filled[:, tokens] = codes
    return filled


def _codes(api: Services, tokens: tuple[str, ...], upload: Upload, file_format: Format) -> NDArray[np.int64]:
    width = len(tokens)
    if file_format is Format.JSON:
        upload.file.seek(0)
        codes: NDArray[Any] = parse_codes(load_rows(upload.file.read()), tokens)
    else:
        codes = _whole_numbers(read_matrix(upload.file), width)
    check_row_count(api, len(codes), width)
    # Values beyond int64 are clipped; they are still out of range for the check that follows.
    whole: NDArray[np.int64] = np.clip(codes, -1, np.iinfo(np.int32).max).astype(np.int64)
    return whole


def _whole_numbers(codes: NDArray[Any], width: int) -> NDArray[Any]:
    if codes.shape[1] != width:
        detail = f"the codes have {codes.shape[1]} tokens, not {width}"
        raise InvalidError(detail, [Place(detail=detail, field="codes")], code="wrong_width")
    check_has_rows(len(codes), "codes")
    if codes.dtype.kind not in "iu":
        place = Place(detail=f"not integers but {codes.dtype}", field="codes")
        raise InvalidError(f"codes must be integers, not {codes.dtype}", [place], code="not_integer")
    return codes


def _check_codes(codes: NDArray[np.int64], sizes: NDArray[np.int64], tokens: tuple[str, ...]) -> None:
    is_wrong = (codes < 0) | (codes >= sizes)
    first_rows = np.flatnonzero(is_wrong.any(axis=1))[:MAX_PLACES]
    places = [
        Place(
            detail=f"{codes[row, token]} is not in 0..{sizes[token] - 1}",
            field="codes",
            row=row + 1,
            token=tokens[token],
        )
        for row in first_rows.tolist()
        for token in np.flatnonzero(is_wrong[row])[:MAX_PLACES].tolist()
    ]
    if places:
        first = places[0]
        raise InvalidError(
            f"row {first.row}, token {first.token!r}: {first.detail}", places, code="code_out_of_range"
        )
