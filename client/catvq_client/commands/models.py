"""Commands `catvq models`, `grouping`, `report`, `diff`, `encode`, `decode` and `artifact`."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from catvq_client.errors import CatvqError
from catvq_client.records import Grouping, ModelDiff
from catvq_client.synchronous.client import Client
from catvq_client.terminal.command import Output, command, file_at, table_of
from catvq_client.terminal.display import number, print_fields, print_table

COLUMNS = ("category", "name", "size", "families", "features")  # of a grouping
ModelArgument = Annotated[str, typer.Argument(help="Id of a model, or @alias.")]
ArrayOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="NPY or CSV file; by default CSV on standard output.")
]


@command
def models(client: Client) -> Output:
    """List the models."""
    return table_of(
        client.models.list(),
        ("id", "job", "dataset", "levels", "digest"),
        lambda model: (model.id, model.job, model.dataset, model.levels, model.digest[:19]),
    )


@command
def grouping(client: Client, model: ModelArgument) -> Output:
    """Show the frozen category of each feature."""
    found = client.models.grouping(model)
    title = f"{found.model}, {found.digest}"
    return Output(found.document, lambda: print_table(COLUMNS, grouping_rows(found), title))


def grouping_rows(found: Grouping) -> list[tuple[object, ...]]:
    """Return a row for each category: index, name, size, families and features."""
    family_of = {feature.name: feature.family for feature in found.features}
    rows: list[tuple[object, ...]] = []
    for category in found.categories:
        counts = Counter(family_of[feature] for feature in category.features)
        families = ", ".join(f"{family} {count}" for family, count in counts.most_common())
        size = len(category.features)
        rows.append((category.index, category.name, size, families, " ".join(category.features)))
    return rows


@command
def report(client: Client, model: ModelArgument) -> Output:
    """Show a model's report: comparison with simpler methods, training, cleaning of the features."""
    found = client.models.report(model)
    return Output(found.document, lambda: _print_report(found.document()))


@command
def diff(
    client: Client,
    model: ModelArgument,
    other: Annotated[str, typer.Argument(help="Id of the model to compare with, or @alias.")],
) -> Output:
    """Compare the groupings of two models: which category became which, and what moved."""
    found = client.models.diff(model, other)
    return Output(found.document, lambda: _print_diff(found))


@command
def encode(
    client: Client,
    model: ModelArgument,
    file: Annotated[Path, typer.Argument(help="Rows: CSV, Parquet, Arrow or NPY.")],
    output: ArrayOption = None,
) -> Output:
    """Encode the rows of a file."""
    if output is None:
        return Output(
            lambda: client.models.encodings(model, file).document(),
            lambda: typer.echo(client.models.encode_file(model, file, as_csv=True), nl=False),
        )
    output.write_bytes(client.models.encode_file(model, file, as_csv=_kind_of(output) == "csv"))
    return file_at(output)


@command
def artifact(
    client: Client,
    model: ModelArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="ONNX file; by default MODEL.onnx.")
    ] = None,
) -> Output:
    """Write a model's encoder as one ONNX file, which runs without the service."""
    path = output or Path(f"{model.removeprefix('@')}.onnx")
    path.write_bytes(client.models.artifact(model))
    return file_at(path)


@command
def decode(
    client: Client,
    model: ModelArgument,
    file: Annotated[Path, typer.Argument(help="Codes: NPY or CSV, as `catvq encode` writes them.")],
    output: ArrayOption = None,
) -> Output:
    """Decode the codes in a file to rows in the dataset's units."""
    if output is None:
        return Output(
            lambda: json.loads(client.models.decode_file(model, file, kind="json")),
            lambda: typer.echo(client.models.decode_file(model, file, kind="csv"), nl=False),
        )
    output.write_bytes(client.models.decode_file(model, file, kind=_kind_of(output)))
    return file_at(output)


def _kind_of(output: Path) -> Literal["npy", "csv"]:
    """Return the format of an output file."""
    suffix = output.suffix.lower()
    if suffix not in {".npy", ".csv"}:
        raise CatvqError(f"{output}: the output file must end in .npy or .csv")
    return "npy" if suffix == ".npy" else "csv"


def _print_diff(found: ModelDiff) -> None:
    pairs = ((pair.from_, pair.to, pair.shared) for pair in found.pairs)
    title = f"agreement {number(found.agreement)} (1: the same groups, 0: as by chance)"
    print_table((found.from_, found.to, "features in both"), pairs, title)
    if found.moved:
        moved = ((each.name, each.from_, each.to) for each in found.moved)
        print_table(("moved", found.from_, found.to), moved)
    for model, features in ((found.from_, found.only_in.from_), (found.to, found.only_in.to)):
        if features:
            print_fields({f"only in {model}": " ".join(features)})


def _print_report(found: dict[str, Any]) -> None:
    """Print the verdict as text, then the compared groupings and everything else as tables."""
    baselines = dict(found.get("baselines", {}))
    sections = {"contestants": baselines.pop("contestants", None) or [], **found, "baselines": baselines}
    if verdict := sections.pop("verdict", None):
        typer.echo(f"{verdict}\n")
    fields = {key: value for key, value in sections.items() if not isinstance(value, dict | list)}
    if fields:
        print_fields(fields)
    for key, value in sections.items():
        if isinstance(value, dict) and value:
            print_fields(value, key)
        elif isinstance(value, list) and value:
            rows = [item if isinstance(item, dict) else {"": item} for item in value]
            columns = list(dict.fromkeys(name for row in rows for name in row))
            print_table(columns, ([row.get(name) for name in columns] for row in rows), key)
