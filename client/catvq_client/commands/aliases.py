"""Command `catvq alias`: names for models."""

from typing import Annotated

import typer

from catvq_client.calls import DEFAULT_URL
from catvq_client.records import Alias
from catvq_client.terminal.display import print_json, print_table
from catvq_client.terminal.exit_codes import ExitCode
from catvq_client.terminal.session import JsonOption, UrlOption, connected, fail, say


def alias(
    name: Annotated[str | None, typer.Argument(help="Name; by default all aliases are listed.")] = None,
    model: Annotated[str | None, typer.Argument(help="Id of the model to call so, or @alias.")] = None,
    *,
    is_deleted: Annotated[bool, typer.Option("--delete", help="Delete the alias; its model stays.")] = False,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """List, show, set, move or delete names for models: `catvq alias digits model_...`, then `@digits`."""
    if is_deleted and (name is None or model is not None):
        fail("--delete takes the name of an alias, and no model", ExitCode.USAGE)
    with connected(url) as client:
        if name is None:
            _show(client.aliases.list(), as_json=as_json)
            return
        name = name.removeprefix("@")
        if is_deleted:
            client.aliases.delete(name)
            if as_json:
                print_json({"deleted": [name]})
            else:
                say(f"deleted @{name}")
            return
        if model is None:
            found = client.aliases.get(name)
        else:
            found = client.aliases.put(name, client.models.get(model).id)
        if as_json:
            print_json(found.document())
        else:
            typer.echo(f"@{found.name} is {found.model}")


def _show(found: list[Alias], *, as_json: bool) -> None:
    if as_json:
        print_json([each.document() for each in found])
    else:
        print_table(
            ("name", "model", "moves"), ((f"@{each.name}", each.model, each.version) for each in found)
        )
