"""Reads and encodes rows for models that know series and grids."""

from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from app.formats import Format
from app.inference.channels import ChannelValues, ModelFamily
from app.inference.encoded import Encoded
from app.inference.encoder import Encoder
from app.problems import InvalidError, Place, TooLargeError
from app.requests.encode import (
    CODES_ONLY,
    Keys,
    check_channels_have_families,
    check_keys_have_names,
    read_columns,
    row_limit,
)
from app.services import Services
from app.tables.channels.family import ChannelFamily
from app.tables.columns.options import ReadOptions
from app.tables.open_table import ENCODE_ELSEWHERE, open_table
from app.tables.table import check_has_rows


@dataclass(frozen=True)
class RowsOfChannels:
    """Rows to encode.

    Args:
        rows: [rows, features of columns].
        channels: The values of each family of the model.
        keys: What came beside them, to go with the codes.
    """

    rows: NDArray[Any]
    channels: dict[str, ChannelValues]
    keys: Keys


def read_channels(
    api: Services, encoder: Encoder, file: BinaryIO, file_format: Format, *, options: ReadOptions
) -> RowsOfChannels:
    """Read a body as rows of the model's columns, series and grids.

    Raises:
        NotParseableError: It is damaged.
        InvalidError: A family is missing, or has other channels, another kind or shape than the model's.
        TooLargeError: There are too many rows, or values.
    """
    names = [family.name for family in encoder.families]
    if file_format in CODES_ONLY:
        detail = f"{file_format.value} holds rows alone; the model needs {names[0]!r} as well"
        faults = [Place(detail="missing", field=name) for name in names]
        raise InvalidError(detail, faults, code="missing_family")
    check_keys_have_names(file_format, options)
    check_channels_have_families(encoder, file_format, options)
    options = replace(options, kinds={family.name: family.kind for family in encoder.families})
    table = open_table(file, file_format, options, api.table_limits(file))
    if missing := [name for name in names if name not in table.channels]:
        listed = ", ".join(map(repr, missing[:5]))
        faults = [Place(detail="missing", field=name) for name in missing]
        raise InvalidError(f"the model's families {listed} are missing", faults, code="missing_family")
    families = {
        family.name: match_family(family, table.channels[family.name], options) for family in encoder.families
    }
    check_size(api, encoder, families, width=len(table.columns))
    rows = read_columns(api, encoder, table, options)
    check_has_rows(len(rows))
    keys = {name: cells.to_pylist() for name, cells in table.keys.items()}
    return RowsOfChannels(rows, {name: collect_values(found) for name, found in families.items()}, keys)


async def encode_channels(
    api: Services,
    state: MutableMapping[str, Any],
    encoder: Encoder,
    read: RowsOfChannels,
    *,
    with_doubt: bool,
) -> Encoded:
    """Encode rows with series and grids, in a thread of their own.

    Raises:
        TooManyError: The key has encoded enough rows in this minute.
    """
    api.quotas.count(state, "rows", len(read.rows))
    started = perf_counter()
    encoded = await run_in_threadpool(
        encoder.encode_channels, read.rows, read.channels, with_doubt=with_doubt
    )
    api.telemetry.count_rows(len(read.rows), perf_counter() - started)
    return encoded


def match_family(family: ModelFamily, found: ChannelFamily, options: ReadOptions) -> ChannelFamily:
    """Return a family with the model's channels: by name where names tell, else in their order."""
    wanted = family.channels
    if found.shape != family.shape:
        detail = f"its grids are {list(found.shape or ())}, the model's {list(family.shape or ())}"
        place = Place(detail=detail, field=family.name)
        raise InvalidError(f"family {family.name!r}: {detail}", [place], code="wrong_grid")
    is_named = family.name in options.channels
    if len(found.channels) == len(wanted) and not is_named:
        return replace(found, channels=wanted)
    if is_named and set(wanted) <= set(found.channels):
        return found.select([found.channels.index(channel) for channel in wanted])
    if found.lengths is not None and not found.lengths.any():  # how many channels nothing has cannot be told
        return replace(found, channels=wanted, blocks=lambda: iter(()))
    if is_named:
        missing = [channel for channel in wanted if channel not in found.channels]
        detail = f"the model's channels {', '.join(map(repr, missing[:5]))} are missing"
    else:
        listed = ", ".join(map(repr, wanted[:5]))
        counts = f"it has {len(found.channels)} channels, the model {len(wanted)} ({listed})"
        detail = f"{counts}; send those, or name all that are sent with channels="
    place = Place(detail=detail, field=family.name)
    raise InvalidError(f"family {family.name!r}: {detail}", [place], code="wrong_channels")


def check_size(
    api: Services, encoder: Encoder, families: dict[str, ChannelFamily], *, width: int = 0
) -> None:
    """Raise `TooLargeError` where one request has too many rows or values."""
    rows = next(iter(families.values())).rows
    if rows > (limit := row_limit(api, max(encoder.width, width))):
        raise TooLargeError(f"more than {limit} rows; {ENCODE_ELSEWHERE}", code="too_many_rows")
    size = sum(int(np.prod(found.stored_shape)) for found in families.values())
    if size > api.settings.max_encode_values:
        raise TooLargeError(
            f"{size} values; at most {api.settings.max_encode_values} are taken, {ENCODE_ELSEWHERE}",
            code="too_many_values",
        )


def collect_values(found: ChannelFamily) -> ChannelValues:
    """Read all values of a family into memory; those beyond float32 become infinite."""
    with np.errstate(over="ignore"):
        blocks = [np.asarray(block, np.float32) for block in found.blocks()]
    values = np.concatenate([np.empty((0, *found.stored_shape[1:]), np.float32), *blocks])
    if found.lengths is None:
        return ChannelValues(values)
    return ChannelValues(values, np.concatenate([[0], np.cumsum(found.lengths, dtype=np.int64)]))
