"""`catvq datasets`: upload, list and delete tables."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, cast

import typer

from catvq_client.calls import DEFAULT_URL
from catvq_client.commands.display import print_fields, print_json, print_table
from catvq_client.commands.session import URL_VARIABLE, JsonOption, UrlOption, connected, say
from catvq_client.records import Column, Dataset
from catvq_client.tables.reading import Reading

app = typer.Typer(help="Upload, list and delete datasets.")


@app.callback(invoke_without_command=True)
def datasets(context: typer.Context) -> None:
    """Upload, list and delete datasets; without a subcommand, list them."""
    if context.invoked_subcommand is None:
        list_datasets(os.environ.get(URL_VARIABLE, DEFAULT_URL))


@app.command("list")
def list_datasets(url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """List the datasets."""
    with connected(url) as client:
        found = client.datasets.list()
        if as_json:
            print_json([dataset.document() for dataset in found])
        else:
            print_table(("id", "name", "rows", "features", "families"), map(_row, found))


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
DelimiterOption = Annotated[str | None, typer.Option("--delimiter", help="Of CSV: one character, or tab.")]
DecimalOption = Annotated[str | None, typer.Option("--decimal", help="Of CSV: . or ,")]


@app.command()
def check(
    file: FileArgument,
    types: TypeOption = None,
    na_values: MissingOption = None,
    delimiter: DelimiterOption = None,
    decimal: DecimalOption = None,
    *,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Show how a table would be read, and store nothing."""
    with connected(url) as client:
        found = client.datasets.check(file, **_reading(types, na_values, delimiter, decimal))
        if as_json:
            print_json(found.document())
            return
        print_table(("column", "type", "family", "missing", "values"), map(_column, found.columns))
        for column in found.left_out:
            say(f"{column.name!r} is left out: {column.reason}", style="yellow")
        print_fields({"rows": found.rows, "features": len(found.features)})


@app.command()
def upload(  # noqa: PLR0913 - options of a command
    file: FileArgument,
    name: Annotated[
        str | None, typer.Option("--name", help="Label of the dataset; by default the file's name.")
    ] = None,
    families: Annotated[
        str | None, typer.Option("--families", help="Rule such as prefix:_, or JSON {family: [features]}.")
    ] = None,
    types: TypeOption = None,
    na_values: MissingOption = None,
    delimiter: DelimiterOption = None,
    decimal: DecimalOption = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse whatever would be a warning.")] = False,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Upload a table."""
    reading = _reading(types, na_values, delimiter, decimal)
    with connected(url) as client:
        dataset = client.datasets.upload(
            file, name=name or file.stem, families=families, strict=strict, **reading
        )
        if as_json:
            print_json(dataset.document())
            return
        for warning in dataset.warnings:
            say(f"warning: {warning.detail}", style="yellow")
        sizes = ", ".join(f"{family} {size.features}" for family, size in dataset.families.items())
        print_fields(
            {"id": dataset.id, "rows": dataset.rows, "features": len(dataset.features), "families": sizes}
        )


@app.command()
def delete(
    dataset: Annotated[str, typer.Argument(help="Id of a dataset.")], url: UrlOption = DEFAULT_URL
) -> None:
    """Delete a dataset that no job uses."""
    with connected(url) as client:
        client.datasets.delete(dataset)
        say(f"deleted {dataset}")


def _row(dataset: Dataset) -> tuple[object, ...]:
    return dataset.id, dataset.name, dataset.rows, len(dataset.features), ", ".join(dataset.families)


def _column(column: Column) -> tuple[object, ...]:
    return column.name, column.type, column.family, column.missing, ", ".join(column.values or ())


def _reading(
    types: list[str] | None, na_values: list[str] | None, delimiter: str | None, decimal: str | None
) -> Reading:
    """Gather what was said of the table; a missing cell that is a number matches by value."""
    said: dict[str, object] = {"delimiter": delimiter, "decimal": decimal}
    if types:
        pairs = [pair.rpartition("=") for pair in types]
        said["types"] = {column: kind for column, _, kind in pairs}
    if na_values:
        said["na_values"] = [_number_or_text(value) for value in na_values]
    return cast(Reading, {name: value for name, value in said.items() if value is not None})


def _number_or_text(value: str) -> float | str:
    for number in (int, float):
        with suppress(ValueError):
            return number(value)
    return value
