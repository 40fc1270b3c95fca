"""`catvq datasets`: upload, list and delete tables."""

import os
from pathlib import Path
from typing import Annotated

import typer

from catvq_client.calls import DEFAULT_URL
from catvq_client.commands.display import print_fields, print_json, print_table
from catvq_client.commands.session import URL_VARIABLE, JsonOption, UrlOption, connected, say
from catvq_client.records import Dataset

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


@app.command()
def upload(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet, Arrow, NPY, NPZ or HDF5.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Label of the dataset; by default the file's name.")
    ] = None,
    families: Annotated[
        str | None, typer.Option("--families", help="Rule such as prefix:_, or JSON {family: [features]}.")
    ] = None,
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse missing values and constant columns.")
    ] = False,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Upload a table."""
    with connected(url) as client:
        dataset = client.datasets.upload(file, name=name or file.stem, families=families, strict=strict)
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
