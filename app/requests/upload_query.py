"""The query of an upload."""

from dataclasses import replace
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from app.formats import media_parameter
from app.requests.levels import Levels
from app.tables.columns.options import ReadOptions, parse_names, parse_options
from catvq.names import Name

KeysOfRows = Annotated[
    str | None,
    Query(
        description="JSON list of columns that come back beside the codes, such as ids; not with NPY.",
        examples=['["id"]'],
    ),
]

Delimiter = Annotated[str | None, Query(description="Of CSV: one character, `tab` or `space`.")]
Decimal = Annotated[str | None, Query(description="Of CSV: `.` or `,`.")]
DateOrder = Annotated[
    str | None,
    Query(
        description="What dates in text begin with: `year` (2026-01-31), `day` (31/01/2026) or `month` "
        "(01/31/2026). Those that begin with the year are always read."
    ),
]
Header = Annotated[
    str | None, Query(description="Of CSV: `absent` where the first line holds values already.")
]


class UploadQuery(BaseModel):
    """How a table is to be read and called."""

    name: Name | None = Field(None, description="A name for people.")
    families: str | None = Field(
        None,
        description='JSON `{"family": ["feature", ...]}` that names every feature once, or `prefix:` '
        "and what ends a feature's prefix, as in `prefix:_`. Without it all features are one family.",
        examples=["prefix:_"],
    )
    columns: str | None = Field(
        None, description="JSON list of names, for an array that has none.", examples=['["a","b"]']
    )
    kinds: str | None = Field(
        None,
        description="JSON `{family: kind}`: tabular, series or grid, where a shape alone does not tell.",
        examples=['{"waves":"series"}'],
    )
    channels: str | None = Field(
        None,
        description="JSON `{family: [names]}` of the channels of series and grids; else 0, 1, ...",
        examples=['{"waves":["x","y"]}'],
    )
    types: str | None = Field(
        None,
        description="JSON `{column: type}`: numeric, categorical, datetime (seconds since its first "
        "value), key (kept beside the rows, never learnt from) or ignore. Other columns are looked at.",
        examples=['{"id":"key"}'],
    )
    include: str | None = Field(None, description="JSON list of names or globs: the columns to learn from.")
    exclude: str | None = Field(None, description="JSON list of names or globs: columns to leave out.")
    na_values: str | None = Field(
        None,
        description="JSON list of what else stands for a missing cell; numbers match by value.",
        examples=['["-",-999]'],
    )
    delimiter: Delimiter = None
    decimal: Decimal = None
    date_order: DateOrder = None
    header: Header = None
    strict: bool = Field(False, description="Refuse what would be a warning.")
    dry_run: bool = Field(False, description="Say how the table would be read, and store nothing.")

    def options(self, content_type: str | None) -> ReadOptions:
        """How to read the table.

        Args:
            content_type: Of the request; `text/csv; header=absent` says that there is no header.

        Raises:
            InvalidError: A parameter has another form.
        """
        header = self.header or media_parameter(content_type, "header")
        return parse_options({**vars(self), "header": header})


class RowsQuery(BaseModel):
    """How rows to encode are to be read."""

    columns: str | None = Field(
        None, description="JSON list of column names, for an array without names.", examples=['["a","b"]']
    )
    keys: KeysOfRows = None
    channels: str | None = Field(
        None,
        description="JSON `{family: [names]}` of the channels that are sent, to be matched by name.",
        examples=['{"waves":["y","x"]}'],
    )
    na_values: str | None = Field(None, description="JSON list of what else stands for a missing cell.")
    delimiter: Delimiter = None
    decimal: Decimal = None
    date_order: DateOrder = None
    header: Header = None
    levels: Levels = None

    def options(self, content_type: str | None, model: ReadOptions) -> ReadOptions:
        """How to read the rows.

        Args:
            content_type: Of the request; `text/csv; header=absent` says that there is no header.
            model: How the model's rows are read where nothing else is said.

        Raises:
            InvalidError: A parameter has another form.
        """
        header = self.header or media_parameter(content_type, "header")
        options = parse_options({**vars(self), "header": header})
        keys = parse_names("keys", self.keys) or ()
        return replace(
            options,
            known=model.known,
            origins=model.origins,
            na_values=(*model.na_values, *options.na_values),
            date_order=options.date_order if self.date_order else model.date_order,
            types=dict.fromkeys(keys, "key"),
        )
