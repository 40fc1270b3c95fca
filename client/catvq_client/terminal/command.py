"""Makes functions that ask the service commands: each has `--url` and `--json`, and prints what was found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, TypeVar

import typer

from catvq_client.calls import DEFAULT_URL
from catvq_client.records.base import Record
from catvq_client.terminal.display import print_fields, print_json, print_table
from catvq_client.terminal.session import JsonOption, UrlOption, connected, say

AnyRecord = TypeVar("AnyRecord", bound=Record)

OPTIONS = (
    Parameter("url", Parameter.KEYWORD_ONLY, default=DEFAULT_URL, annotation=UrlOption),
    Parameter("as_json", Parameter.KEYWORD_ONLY, default=False, annotation=JsonOption),
)


@dataclass(frozen=True)
class Output:
    """What a command has found.

    Args:
        document: Returns it for programs, as JSON values.
        show: Prints it for people.
        exit_code: The command's status.
    """

    document: Callable[[], Any]
    show: Callable[[], None]
    exit_code: int = 0


def command(function: Callable[..., Output | None]) -> Callable[..., None]:
    """Make a command of a function whose first parameter is a client, and whose others are the options."""
    _, *parameters = signature(function).parameters.values()

    @wraps(function)
    def run(*, url: str, as_json: bool, **options: Any) -> None:
        with connected(url) as client:
            output = function(client, **options)
            if output is None:
                return
            if as_json:
                print_json(output.document())
            else:
                output.show()
            if output.exit_code:
                raise typer.Exit(output.exit_code)

    whole = signature(function).replace(parameters=[*parameters, *OPTIONS])
    run.__signature__ = whole  # type: ignore[attr-defined]  # by which typer knows the options
    run.__annotations__ = {name: each.annotation for name, each in whole.parameters.items()}
    return run


def fields_of(record: Record, fields: dict[str, Any] | None = None) -> Output:
    """Output one record: names and values below each other, by default all."""
    return Output(record.document, lambda: print_fields(record.document() if fields is None else fields))


def table_of(
    records: Sequence[AnyRecord], columns: Sequence[str], row: Callable[[AnyRecord], Sequence[object]]
) -> Output:
    """Output records as a table: a row for each."""
    return Output(
        lambda: [record.document() for record in records], lambda: print_table(columns, map(row, records))
    )


def file_at(path: Path) -> Output:
    """Output that a file was written."""
    return Output(lambda: {"file": str(path)}, lambda: say(f"wrote {path}"))
