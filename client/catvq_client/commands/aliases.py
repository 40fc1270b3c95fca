"""Command `catvq alias`: names for models."""

from typing import Annotated

import typer

from catvq_client.synchronous.client import Client
from catvq_client.terminal.command import Output, command, table_of
from catvq_client.terminal.exit_codes import ExitCode
from catvq_client.terminal.session import fail, say


@command
def alias(
    client: Client,
    name: Annotated[str | None, typer.Argument(help="Name; by default all aliases are listed.")] = None,
    model: Annotated[str | None, typer.Argument(help="Id of the model to call so, or @alias.")] = None,
    *,
    is_deleted: Annotated[bool, typer.Option("--delete", help="Delete the alias; its model stays.")] = False,
) -> Output:
    """List, show, set, move or delete names for models: `catvq alias digits model_...`, then `@digits`."""
    if is_deleted and (name is None or model is not None):
        fail("--delete takes the name of an alias, and no model", ExitCode.USAGE)
    if name is None:
        return table_of(
            client.aliases.list(),
            ("name", "model", "moves"),
            lambda each: (f"@{each.name}", each.model, each.version),
        )
    name = name.removeprefix("@")
    if is_deleted:
        client.aliases.delete(name)
        return Output(lambda: {"deleted": [name]}, lambda: say(f"deleted @{name}"))
    if model is None:
        found = client.aliases.get(name)
    else:
        found = client.aliases.put(name, client.models.get(model).id)
    return Output(found.document, lambda: typer.echo(f"@{found.name} is {found.model}"))
