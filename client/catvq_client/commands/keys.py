"""`catvq keys`: API keys of the service, for who has an admin key."""

from enum import StrEnum
from typing import Annotated

import typer

from catvq_client.calls import DEFAULT_URL
from catvq_client.records import Key
from catvq_client.synchronous.client import Client
from catvq_client.terminal.command import Output, command, fields_of, table_of
from catvq_client.terminal.session import JsonOption, UrlOption, say

app = typer.Typer(help="Create, list, rotate and revoke API keys; needs an admin key.")

KeyArgument = Annotated[str, typer.Argument(help="Id of a key.")]


class Scope(StrEnum):
    """What a key allows."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@app.callback(invoke_without_command=True)
def keys(context: typer.Context, url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """Create, list, rotate and revoke API keys; without a subcommand, list them."""
    if context.invoked_subcommand is None:
        list_keys(url=url, as_json=as_json)


@app.command("list")
@command
def list_keys(client: Client) -> Output:
    """List the keys, without their secrets."""
    return table_of(
        client.keys.list(),
        ("id", "name", "scope", "created"),
        lambda key: (key.id, key.name, key.scope, f"{key.created_at:%Y-%m-%d %H:%M}"),
    )


@app.command()
@command
def create(
    client: Client,
    scope: Annotated[Scope, typer.Option("--scope", help="What the key allows.")],
    name: Annotated[str | None, typer.Option("--name", help="A label for people.")] = None,
) -> Output:
    """Create a key; its secret is shown once."""
    return _shown(client.keys.create(scope.value, name=name))


@app.command()
@command
def rotate(client: Client, key: KeyArgument) -> Output:
    """Replace a key's secret; the old one is invalid within a second."""
    return _shown(client.keys.rotate(key))


@app.command()
@command
def revoke(client: Client, key: KeyArgument) -> Output:
    """Revoke a key within a second."""
    client.keys.revoke(key)
    return Output(lambda: {"revoked": key}, lambda: say(f"revoked {key}"))


def _shown(key: Key) -> Output:
    return fields_of(key, {"id": key.id, "name": key.name, "scope": key.scope, "secret": key.secret})
