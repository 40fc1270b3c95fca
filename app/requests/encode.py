"""What every way of asking for encodings shares: rows out of a body, and the answer about them."""

from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from time import perf_counter
from typing import Any, BinaryIO, TypeVar

from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from app.formats import Format
from app.inference.encoded import Encoded
from app.inference.encoder import Encoder
from app.inference.model_lookup import ServedModel
from app.problems import InvalidError, Place, TooLargeError
from app.services import Services
from app.tables.columns.options import ReadOptions
from app.tables.families import ROWS
from app.tables.open_table import ENCODE_ELSEWHERE, collect_rows, open_table
from app.tables.readers.numpy_reader import read_matrix, read_raw
from app.tables.table import Table, check_has_rows, check_width, give_names, numbered
from app.tables.write import Answer, Column, matrix_columns
from worker.store import DatasetRecord, ModelRecord

CODES_ONLY = {Format.NPY, Format.RAW}  # what holds one array has no place for doubts
# The event loop does nothing else while it reads and writes these: for some milliseconds at most.
MAX_BYTES_AT_ONCE = 1 << 18
_ARRAYS = {*CODES_ONLY, Format.NPZ, Format.HDF5}  # have no columns of text
_QUICK_FORMATS = {Format.JSON, *CODES_ONLY}  # others are read by a process or by code that takes its time

DOUBTS = ("reconstruction_error", "distance_percentile")
STATUS = "status"

Result = TypeVar("Result")
Rows = NDArray[Any]
Keys = dict[str, list[str | None]]


def read_rows(api: Services, model: ServedModel, file: BinaryIO, file_format: Format) -> Rows:
    """Read a body as `read_keyed_rows` does, without names that are sent with it, and without keys."""
    return read_keyed_rows(api, model.encoder, file, file_format, options=model.options)[0]


def read_keyed_rows(
    api: Services, encoder: Encoder, file: BinaryIO, file_format: Format, *, options: ReadOptions
) -> tuple[Rows, Keys]:
    """Read a body as rows in the order of the model's features, and the keys that come beside them.

    Args:
        options: How to read it, with the features that are known and the keys to carry through.

    Raises:
        NotParseableError: It is damaged.
        InvalidError: It holds something else than rows of the model's features, or none.
        TooLargeError: It has too many rows.
    """
    check_keys_have_names(file_format, options)
    check_channels_have_families(encoder, file_format, options)
    if file_format in CODES_ONLY:
        rows, kept = _read_array(api, encoder, file, file_format, options=options), {}
    else:
        table = open_table(file, file_format, options, api.table_limits(file))
        rows = read_columns(api, encoder, table, options)
        kept = {name: cells.to_pylist() for name, cells in table.keys.items()}
    check_has_rows(len(rows))
    return rows, kept


def check_keys_have_names(file_format: Format, options: ReadOptions) -> None:
    """Raise `InvalidError` where keys are asked of a format of nothing but numbers."""
    if options.types and file_format in _ARRAYS:
        place = Place(detail=f"{file_format.value} has no names", field="keys")
        raise InvalidError("keys= needs a format whose columns have names", [place])


def check_channels_have_families(encoder: Encoder, file_format: Format, options: ReadOptions) -> None:
    """Raise `InvalidError` where channels were named of a family that the model does not know.

    Files of arrays may have more families than the model: their reader knows which there are.
    """
    if file_format in {Format.NPZ, Format.HDF5}:
        return
    known = [family.name for family in encoder.families]
    faults = [
        Place(detail="the model has no such series or grids", field=f"channels.{name}")
        for name in options.channels
        if name not in known
    ]
    if faults:
        listed = f"its own are {', '.join(map(repr, known[:5]))}" if known else "it has none"
        raise InvalidError(f"{faults[0].field}: {faults[0].detail}; {listed}", faults, code="no_such_family")


def read_columns(api: Services, encoder: Encoder, table: Table, options: ReadOptions) -> Rows:
    """Read the columns that a model knows: by their names, or in its order, as an array `rows` holds them."""
    names, places = table.columns, None
    widths = table.family_widths
    is_named = table.has_names or options.columns is not None or widths is not None
    if widths is not None and ROWS in widths and f"{ROWS}_0" not in encoder.features:
        start = sum(list(widths.values())[: list(widths).index(ROWS)])
        places = range(start, start + widths[ROWS])
        names, is_named = names[start : start + widths[ROWS]], False
    order = order_columns(is_named, names, encoder.features)
    if places is not None:
        order = list(places) if order is None else [places[place] for place in order]
    rows = collect_rows(table, row_limit(api, max(encoder.width, len(table.columns))), encoder.dtype)
    rows = rows if order is None else rows[:, order]
    return rows if widths is None else encoder.mark_missing(rows, options.missing_numbers)


def _read_array(
    api: Services, encoder: Encoder, file: BinaryIO, file_format: Format, *, options: ReadOptions
) -> Rows:
    """Read numbers that stand in NPY, or bare."""
    if file_format is Format.RAW:
        rows = read_raw(file, encoder.singles_per_row).view(encoder.dtype)
        check_row_count(api, len(rows), encoder.width)
        return encoder.mark_missing(rows, options.missing_numbers)
    matrix, limits = read_matrix(file), api.table_limits(file)
    width = matrix.shape[1]
    check_width(width, limits)
    sent = options.columns
    names = numbered(width) if sent is None else give_names(sent, width, limits)
    order = order_columns(sent is not None, names, encoder.features)
    check_row_count(api, len(matrix), max(encoder.width, width))
    rows = encoder.floats(matrix if order is None else matrix[:, order])
    return encoder.mark_missing(rows, options.missing_numbers)


def row_limit(api: Services, width: int) -> int:
    """Return how many rows of so many numbers one request may have."""
    return min(api.settings.max_encode_rows, max(1, api.settings.max_encode_values // width))


def check_row_count(api: Services, rows: int, width: int) -> None:
    """Raise `TooLargeError` where one request has too many rows, or its rows or codes too many numbers."""
    if rows > (limit := row_limit(api, width)):
        raise TooLargeError(f"more than {limit} rows; {ENCODE_ELSEWHERE}", code="too_many_rows")


def check_features(names: Collection[str], features: Sequence[str]) -> None:
    """Raise `InvalidError` where names of columns lack some of a model's features."""
    missing = [name for name in features if name not in names]
    if missing:
        faults = [Place(detail="missing", column=name) for name in missing]
        listed = ", ".join(repr(name) for name in missing[:5])
        raise InvalidError(
            f"{len(missing)} of the model's features are missing: {listed}", faults, code="missing_column"
        )


def check_types(dataset: DatasetRecord, model: ModelRecord) -> None:
    """Raise `InvalidError` where a feature is of another type in a dataset than in a model."""
    described = {column["name"]: column for column in dataset.columns}
    document = model.document
    types = zip(document["features"], document["values"], document["origins"], strict=True)
    faults = []
    for name, values, origin in types:
        column = described.get(name, {})
        known, found = _type_of(values, origin), _type_of(column.get("values"), column.get("origin"))
        if known != found:
            faults.append(Place(detail=f"{known} in the model, but {found} in the dataset", column=name))
    if faults:
        raise InvalidError(f"column {faults[0].column!r} is {faults[0].detail}", faults, code="other_type")
    of_dataset = {kind["family"]: _form_of(kind) for kind in dataset.kinds}
    for kind in document["kinds"]:
        found = of_dataset.get(kind["family"], "a table")
        if found != _form_of(kind):
            detail = f"{_form_of(kind)} in the model, but {found} in the dataset"
            place = Place(detail=detail, field=kind["family"])
            raise InvalidError(f"family {kind['family']!r} is {detail}", [place], code="other_type")


def _form_of(kind: Mapping[str, Any]) -> str:
    return "a series" if kind["shape"] is None else f"a grid of {kind['shape'][0]} by {kind['shape'][1]}"


def check_keys(dataset: DatasetRecord, keys: Collection[str]) -> None:
    """Raise `InvalidError` where a name is none of a key of a dataset."""
    known = {column["name"] for column in dataset.columns if column["type"] == "key"}
    if unknown := [name for name in keys if name not in known]:
        faults = [Place(detail="no key of the dataset", field="keys", column=name) for name in unknown]
        raise InvalidError(
            f"{unknown[0]!r} is no key of the dataset; a column becomes one by its type at the upload", faults
        )


def check_keys_differ(keys: Collection[str], names: Collection[str], remedy: str) -> None:
    """Raise `InvalidError` where a key is named like a column that stands beside it in the answer."""
    faults = [
        Place(detail=f"the answer has a column of this name; {remedy}", field="keys", column=name)
        for name in keys
        if name in names
    ]
    if faults:
        raise InvalidError(
            f"keys= names {faults[0].column!r}: {faults[0].detail}", faults, code="duplicate_column"
        )


def _type_of(values: Sequence[str] | None, origin: str | None) -> str:
    if values is not None:
        return "categorical"
    if origin is None:
        return "numeric"
    return "a time" if "-" in origin else "a time of day"


def is_quick(size_bytes: int, *formats: Format) -> bool:
    """Whether a body of this size, in these formats, is read and answered in an instant."""
    return size_bytes <= MAX_BYTES_AT_ONCE and _QUICK_FORMATS.issuperset(formats)


async def call(here: bool, function: Callable[..., Result], *arguments: Any) -> Result:  # noqa: FBT001 - said by its name
    """Call a function here, or in another thread."""
    return function(*arguments) if here else await run_in_threadpool(function, *arguments)


async def encode(
    api: Services,
    state: MutableMapping[str, Any],
    encoder: Encoder,
    rows: Rows,
    *,
    with_doubt: bool,
) -> Encoded:
    """Encode rows together with those of other requests.

    Args:
        state: The request's, where its key is and what is left of the key's quota will be. Where it says
            `is_alone`, no other rows are on their way: a single one is encoded sooner than a thread is woken.

    Raises:
        TooManyError: The key has encoded enough rows in this minute.
    """
    api.quotas.count(state, "rows", len(rows))
    started = perf_counter()
    if state.get("is_alone") and api.batcher.is_instant(encoder, rows):
        encoded = encoder.encode(rows, with_doubt=with_doubt)
    else:
        encoded = await api.batcher.encode(encoder, rows, with_doubt=with_doubt)
    api.telemetry.count_rows(len(rows), perf_counter() - started)
    return encoded


def answer_of(model_id: str, tokens: Sequence[str], encoded: Encoded, keys: Keys | None = None) -> Answer:
    """Return encodings in every shape; only those with doubt can be more than an array."""
    doubt = encoded.doubt
    doubts: dict[str, NDArray[Any]] = (
        {}
        if doubt is None
        else dict(zip(DOUBTS, (doubt.reconstruction_error, doubt.distance_percentile), strict=True))
    )
    return Answer(
        document=lambda: {
            "model": model_id,
            "codes": encoded.codes,
            **doubts,
            STATUS: encoded.status,
            **({"keys": keys} if keys else {}),
        },
        array=lambda: encoded.codes,
        columns=lambda: [
            *(Column(name, cells) for name, cells in (keys or {}).items()),
            *matrix_columns(tokens, encoded.codes),
            *(Column(name, values) for name, values in doubts.items()),
            Column(STATUS, encoded.status),
        ],
    )


def order_columns(is_named: bool, names: tuple[str, ...], features: tuple[str, ...]) -> list[int] | None:  # noqa: FBT001 - says what names are
    """Return where each of the model's features is among the columns; None when they are in place."""
    if names == features or (not is_named and len(names) == len(features)):
        return None
    if not is_named:
        detail = f"the rows have {len(names)} values, the model {len(features)} features"
        raise InvalidError(detail, [Place(detail=detail, field="rows")], code="wrong_width")
    position = {name: index for index, name in enumerate(names)}
    check_features(position, features)
    return [position[name] for name in features]
