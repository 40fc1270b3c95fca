"""Bodies of the dataset routes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from app.schemas.common import Body, example
from worker.store import DatasetRecord

DATASET_EXAMPLE: dict[str, Any] = {
    "id": "ds_2f9c51d1a0b34c7e8d6f5a21",
    "name": "digits",
    "rows": 1797,
    "features": ["p0", "p1", "m0"],
    "families": {
        "pixels": {"features": 2, "kind": "tabular"},
        "moments": {"features": 1, "kind": "tabular"},
    },
    "columns": [
        {"name": "p0", "type": "numeric", "family": "pixels", "values": None, "origin": None},
        {"name": "p1", "type": "numeric", "family": "pixels", "values": None, "origin": None},
        {"name": "m0", "type": "numeric", "family": "moments", "values": None, "origin": None},
    ],
    "left_out": [],
    "reading": {"na_values": [], "date_order": "year"},
    "digest": "sha256:0a61...",
    "warnings": [
        {
            "code": "missing_values",
            "detail": "'p1' misses 3 of 1797 values; they are filled in",
            "column": "p1",
            "count": 3,
        }
    ],
    "created_at": "2026-01-01T12:00:00Z",
}


class Length(Body):
    """Steps of the shortest series and the longest."""

    min: int
    max: int


class FamilyInfo(Body):
    """A block of features that belong together by their origin: columns, series or grids."""

    features: int = Field(description="How many; of series and grids: channels.")
    kind: Literal["tabular", "series", "grid"] = "tabular"
    length: Length | None = Field(None, description="Of series: steps of the shortest row and the longest.")
    shape: list[int] | None = Field(None, description="Of grids: height and width.")


class DatasetWarning(Body):
    """Something odd that was accepted, and what is done about it."""

    code: Literal[
        "missing_values",
        "empty_series",
        "missing_words",
        "empty_column",
        "constant_column",
        "id_column",
        "categorical",
        "left_out",
        "lists",
        "attributes",
        "numeric_header",
        "spaces_in_names",
        "rounded",
    ]
    detail: str
    column: str | None = None
    count: int | None = Field(None, description="Of cells, such as missing ones.")


class Histogram(Body):
    """How often values occur: by value of a categorical column, else between edges."""

    counts: list[int]
    edges: list[float] | None = Field(description="One more than counts; null for a categorical column.")


class ColumnInfo(Body):
    """A column of a table, or a channel `family/channel` of series or grids."""

    name: str
    type: Literal["numeric", "categorical", "datetime", "series", "grid", "key"]
    family: str | None = Field(description="Null for a key.")
    values: list[str] | None = Field(
        description="Of a categorical column, whose cells are indices into this list."
    )
    origin: str | None = Field(
        description="Of a datetime column: its first time, from which its seconds count; ISO 8601."
    )
    codebook_size: int | None = Field(None, description="Of a code: how many codes there are.")
    coded_families: list[str] | None = Field(
        None, description="Of a code: the families that the features of its category are of."
    )
    missing: int | None = Field(None, description="Missing cells, or values of a channel; only in a dry run.")
    histogram: Histogram | None = Field(
        None, description="Of a channel: of a sample of its values. Only in a dry run."
    )


class LeftOutColumn(Body):
    """A column of the file that is neither learnt from nor kept."""

    name: str
    reason: str


class Reading(Body):
    """What was said of cells; rows to encode are read in the same way."""

    na_values: list[str | float] = Field(description="What stands for a missing cell beside the usual words.")
    date_order: Literal["year", "day", "month"] = Field(description="What dates in text begin with.")


class Dataset(Body):
    """A stored table."""

    model_config = example(DATASET_EXAMPLE)

    id: str
    name: str | None
    rows: int
    features: list[str]
    families: dict[str, FamilyInfo]
    columns: list[ColumnInfo]
    left_out: list[LeftOutColumn]
    reading: Reading
    digest: str = Field(description="Over the bytes and settings of the upload.")
    warnings: list[DatasetWarning]
    created_at: datetime


class DatasetRows(Body):
    """Rows of a table: categories and times are text, null is missing."""

    model_config = example({"columns": ["p0", "site"], "keys": {"who": ["A7"]}, "rows": [[0.5, "north"]]})

    columns: list[str]
    keys: dict[str, list[str | None]]
    rows: list[list[float | str | None]]


class DatasetPreview(Body):
    """How an upload would be read; nothing was stored."""

    name: str | None
    rows: int
    features: list[str]
    families: dict[str, FamilyInfo]
    columns: list[ColumnInfo]
    left_out: list[LeftOutColumn]
    reading: Reading
    warnings: list[DatasetWarning]


def to_dataset(record: DatasetRecord) -> dict[str, Any]:
    """Return what the API shows of a stored dataset."""
    return {
        "id": record.id,
        "name": record.name,
        "rows": record.rows,
        "features": record.features,
        "families": family_documents(record.families, record.kinds),
        "columns": column_documents(record.features, record.families, record.columns, record.kinds),
        "left_out": record.left_out,
        "reading": reading_document(record.reading),
        "digest": record.digest,
        "warnings": record.warnings,
        "created_at": record.created_at,
    }


def reading_document(reading: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the API shows of what was said of cells."""
    return {"na_values": [], "date_order": "year", **reading}


def family_documents(
    families: Mapping[str, Sequence[str]], kinds: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what the API shows of families.

    Args:
        kinds: Of those that are series or grids.
    """
    others = {kind["family"]: {name: kind[name] for name in ("kind", "length", "shape")} for kind in kinds}
    return {
        name: {"features": len(features), "kind": "tabular", **others.get(name, {})}
        for name, features in families.items()
    }


def column_documents(
    features: Sequence[str],
    families: Mapping[str, Sequence[str]],
    columns: Sequence[Mapping[str, Any]],
    kinds: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return what the API shows of columns: the features in order, then the keys.

    Args:
        columns: Of those that are no plain numbers: name, type and values.
        kinds: Of families that are series or grids.
    """
    described = {column["name"]: column for column in columns}
    family_of = {name: family for family, names in families.items() for name in names}
    keys = [column["name"] for column in columns if column["type"] == "key"]
    types = {kind["family"]: kind["kind"] for kind in kinds}
    return [
        {
            "name": name,
            "family": family_of.get(name),
            "type": types.get(family_of.get(name), "numeric"),
            "values": None,
            "origin": None,
            **described.get(name, {}),
        }
        for name in (*features, *keys)
    ]
