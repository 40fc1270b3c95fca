"""How the service is to read a table."""

import json
from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

FamilyKind = Literal["tabular", "series", "grid"]
ColumnType = Literal["numeric", "categorical", "datetime", "key", "ignore"]


class RowReading(TypedDict, total=False):
    """What may be said of rows.

    Attributes:
        na_values: What stands for a missing cell beside the usual words; numbers match by value.
        delimiter: Between the cells of CSV.
        decimal: Before the decimals of CSV.
        date_order: What dates in text begin with, if not with the year.
        header: "absent" where the first line of CSV holds values already.
        channels: Names of the channels of series and grids, by family.
    """

    na_values: Sequence[str | float]
    delimiter: str
    decimal: Literal[".", ","]
    date_order: Literal["year", "day", "month"]
    header: Literal["present", "absent"]
    channels: Mapping[str, Sequence[str]]


class Reading(RowReading, total=False):
    """What may be said of a table; what is not said is found out by looking at it.

    Attributes:
        types: What columns are.
        include: Names or globs of the columns to learn from.
        exclude: Names or globs of columns to leave out.
        kinds: What families are, where a shape alone does not tell.
    """

    types: Mapping[str, ColumnType]
    include: Sequence[str]
    exclude: Sequence[str]
    kinds: Mapping[str, FamilyKind]


def reading_params(reading: Reading | RowReading) -> dict[str, str]:
    """Write it as query parameters."""
    return {
        name: value if isinstance(value, str) else json.dumps(_plain(value), separators=(",", ":"))
        for name, value in reading.items()
    }


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
