"""Commands `catvq models`, `grouping`, `report`, `diff`, `encode`, `decode` and `artifact`."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from catvq_client.calls import DEFAULT_URL
from catvq_client.errors import CatvqError
from catvq_client.records import Grouping, ModelDiff
from catvq_client.terminal.display import number, print_fields, print_json, print_table
from catvq_client.terminal.session import JsonOption, UrlOption, connected, wrote

ModelArgument = Annotated[str, typer.Argument(help="Id of a model, or @alias.")]


def models(url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """List the models."""
    with connected(url) as client:
        found = client.models.list()
        if as_json:
            print_json([model.document() for model in found])
        else:
            rows = ((model.id, model.job, model.dataset, model.levels, model.digest[:19]) for model in found)
            print_table(("id", "job", "dataset", "levels", "digest"), rows)


def grouping(model: ModelArgument, url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """Show the frozen category of each feature."""
    with connected(url) as client:
        found = client.models.grouping(model)
        if as_json:
            print_json(found.document())
        else:
            columns = ("category", "name", "size", "families", "features")
            print_table(columns, grouping_rows(found), f"{found.model}, {found.digest}")


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


def report(model: ModelArgument, url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """Show a model's report: comparison with simpler methods, training, cleaning of the features."""
    with connected(url) as client:
        found = client.models.report(model).document()
        if as_json:
            print_json(found)
        else:
            _print_report(found)


def diff(
    model: ModelArgument,
    other: Annotated[str, typer.Argument(help="Id of the model to compare with, or @alias.")],
    url: UrlOption = DEFAULT_URL,
    *,
    as_json: JsonOption = False,
) -> None:
    """Compare the groupings of two models: which category became which, and what moved."""
    with connected(url) as client:
        found = client.models.diff(model, other)
        if as_json:
            print_json(found.document())
        else:
            _print_diff(found)


def encode(
    model: ModelArgument,
    file: Annotated[Path, typer.Argument(help="Rows: CSV, Parquet, Arrow or NPY.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="NPY or CSV file; by default CSV on standard output."),
    ] = None,
    url: UrlOption = DEFAULT_URL,
    *,
    as_json: JsonOption = False,
) -> None:
    """Encode the rows of a file."""
    with connected(url) as client:
        kind = _kind_of(output)
        if as_json and output is None:
            print_json(client.models.encodings(model, file).document())
            return
        content = client.models.encode_file(model, file, as_csv=kind == "csv")
        if output is None:
            typer.echo(content, nl=False)
        else:
            output.write_bytes(content)
            wrote(output, as_json=as_json)


def artifact(
    model: ModelArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="ONNX file; by default MODEL.onnx.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    *,
    as_json: JsonOption = False,
) -> None:
    """Write a model's encoder as one ONNX file, which runs without the service."""
    with connected(url) as client:
        path = output or Path(f"{model.removeprefix('@')}.onnx")
        path.write_bytes(client.models.artifact(model))
        wrote(path, as_json=as_json)


def decode(
    model: ModelArgument,
    file: Annotated[Path, typer.Argument(help="Codes: NPY or CSV, as `catvq encode` writes them.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="NPY or CSV file; by default CSV on standard output."),
    ] = None,
    url: UrlOption = DEFAULT_URL,
    *,
    as_json: JsonOption = False,
) -> None:
    """Decode the codes in a file to rows in the dataset's units."""
    with connected(url) as client:
        kind = _kind_of(output)
        content = client.models.decode_file(model, file, kind="json" if as_json and output is None else kind)
        if output is None:
            typer.echo(content, nl=False)
        else:
            output.write_bytes(content)
            wrote(output, as_json=as_json)


def _kind_of(output: Path | None) -> Literal["npy", "csv"]:
    """Return the format of an output file; CSV for standard output."""
    suffix = ".csv" if output is None else output.suffix.lower()
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
