"""`catvq datasets`: upload, download, list and delete tables."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, cast

import typer

from catvq_client.calls import DEFAULT_URL
from catvq_client.commands.delete import delete
from catvq_client.records import Column, Dataset, Preview
from catvq_client.synchronous.client import Client
from catvq_client.tables.reading import Reading
from catvq_client.terminal.command import Output, command, file_at, table_of
from catvq_client.terminal.display import print_fields, print_table
from catvq_client.terminal.session import JsonOption, UrlOption, say

app = typer.Typer(help="Upload, download, list and delete datasets.")


@app.callback(invoke_without_command=True)
def datasets(context: typer.Context, url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """Upload, download, list and delete datasets; without a subcommand, list them."""
    if context.invoked_subcommand is None:
        list_datasets(url=url, as_json=as_json)


@app.command("list")
@command
def list_datasets(client: Client) -> Output:
    """List the datasets."""
    return table_of(client.datasets.list(), ("id", "name", "rows", "features", "families"), _row)


FileArgument = Annotated[
    Path, typer.Argument(help="CSV, TSV, Excel, Parquet, Feather, Arrow, NPY, NPZ or HDF5; also with .gz.")
]
TypeOption = Annotated[
    list[str] | None,
    typer.Option("--type", help="COLUMN=TYPE: numeric, categorical, datetime, key or ignore; repeatable."),
]
MissingOption = Annotated[
    list[str] | None, typer.Option("--na", help="What else stands for a missing cell; repeatable.")
]
IncludeOption = Annotated[
    list[str] | None, typer.Option("--include", help="Name or glob of columns to learn from; repeatable.")
]
ExcludeOption = Annotated[
    list[str] | None, typer.Option("--exclude", help="Name or glob of columns to leave out; repeatable.")
]
FamiliesOption = Annotated[
    str | None, typer.Option("--families", help="Rule such as prefix:_, or JSON {family: [features]}.")
]
ColumnsOption = Annotated[
    str | None, typer.Option("--columns", help="Names of a file without, separated by commas.")
]
HeaderOption = Annotated[
    str | None, typer.Option("--header", help="Of CSV: absent where the first line holds values already.")
]
DelimiterOption = Annotated[str | None, typer.Option("--delimiter", help="Of CSV: one character, or tab.")]
DecimalOption = Annotated[str | None, typer.Option("--decimal", help="Of CSV: . or ,")]
DateOrderOption = Annotated[
    str | None, typer.Option("--date-order", help="What dates in text begin with: year, day or month.")
]


KindsOption = Annotated[
    list[str] | None, typer.Option("--kinds", help="FAMILY=KIND: tabular, series or grid; repeatable.")
]
ChannelsOption = Annotated[
    list[str] | None,
    typer.Option("--channels", help="FAMILY=NAME,NAME,...: channels of a series or grid; repeatable."),
]


@app.command()
@command
def check(  # noqa: PLR0913 - options of a command
    client: Client,
    file: FileArgument,
    *,
    types: TypeOption = None,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    na_values: MissingOption = None,
    families: FamiliesOption = None,
    columns: ColumnsOption = None,
    header: HeaderOption = None,
    delimiter: DelimiterOption = None,
    decimal: DecimalOption = None,
    date_order: DateOrderOption = None,
    kinds: KindsOption = None,
    channels: ChannelsOption = None,
) -> Output:
    """Show how a table would be read, and store nothing."""
    texts = {"header": header, "delimiter": delimiter, "decimal": decimal, "date_order": date_order}
    of_families = {"kinds": _pairs(kinds), "channels": _channels(channels)}
    reading = _reading(types, na_values, {"include": include, "exclude": exclude, **texts, **of_families})
    found = client.datasets.check(file, families=families, columns=_names(columns), **reading)
    return Output(found.document, lambda: _show_check(found))


@app.command()
@command
def upload(  # noqa: PLR0913 - options of a command
    client: Client,
    file: FileArgument,
    *,
    name: Annotated[
        str | None, typer.Option("--name", help="Label of the dataset; by default the file's name.")
    ] = None,
    types: TypeOption = None,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    na_values: MissingOption = None,
    families: FamiliesOption = None,
    columns: ColumnsOption = None,
    header: HeaderOption = None,
    delimiter: DelimiterOption = None,
    decimal: DecimalOption = None,
    date_order: DateOrderOption = None,
    kinds: KindsOption = None,
    channels: ChannelsOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse whatever would be a warning.")] = False,
) -> Output:
    """Upload a table."""
    texts = {"header": header, "delimiter": delimiter, "decimal": decimal, "date_order": date_order}
    of_families = {"kinds": _pairs(kinds), "channels": _channels(channels)}
    reading = _reading(types, na_values, {"include": include, "exclude": exclude, **texts, **of_families})
    dataset = client.datasets.upload(
        file,
        name=name or file.stem,
        families=families,
        columns=_names(columns),
        strict=strict,
        **reading,
    )
    return Output(dataset.document, lambda: _show_dataset(dataset))


@app.command()
@command
def download(
    client: Client,
    dataset: Annotated[str, typer.Argument(help="Id of a dataset, also of codes.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="CSV, Parquet, Arrow, NPY, NPZ or HDF5 file.")
    ],
) -> Output:
    """Write a dataset as a file; NPZ and HDF5 hold its series and grids, too."""
    client.datasets.download(dataset, output)
    return file_at(output)


app.command("delete", help="Delete datasets that no job uses.")(delete)


def _show_check(found: Preview) -> None:
    print_table(("column", "type", "family", "missing", "values"), map(_column, found.columns))
    for column in found.left_out:
        say(f"{column.name!r} is left out: {column.reason}", style="yellow")
    print_fields({"rows": found.rows, "features": len(found.features)})


def _show_dataset(dataset: Dataset) -> None:
    for warning in dataset.warnings:
        say(f"warning: {warning.detail}", style="yellow")
    sizes = ", ".join(f"{family} {size.features}" for family, size in dataset.families.items())
    print_fields(
        {"id": dataset.id, "rows": dataset.rows, "features": len(dataset.features), "families": sizes}
    )


def _row(dataset: Dataset) -> tuple[object, ...]:
    return dataset.id, dataset.name, dataset.rows, len(dataset.features), ", ".join(dataset.families)


def _column(column: Column) -> tuple[object, ...]:
    return column.name, column.type, column.family, column.missing, ", ".join(column.values or ())


def _names(columns: str | None) -> list[str] | None:
    return None if columns is None else columns.split(",")


def _pairs(said: list[str] | None) -> dict[str, str]:
    return {name: value for name, _, value in (pair.rpartition("=") for pair in said or ())}


def _channels(said: list[str] | None) -> dict[str, list[str]]:
    return {family: names.split(",") for family, names in _pairs(said).items()}


def _reading(types: list[str] | None, na_values: list[str] | None, said: Mapping[str, object]) -> Reading:
    """Gather what was said of the table; a missing cell that is a number matches by value."""
    gathered = {
        "types": _pairs(types),
        "na_values": [_number_or_text(value) for value in na_values or ()],
        **said,
    }
    return cast(Reading, {name: value for name, value in gathered.items() if value})


def _number_or_text(value: str) -> float | str:
    for number in (int, float):
        with suppress(ValueError):
            return number(value)
    return value
