"""`catvq keys`: API keys of the service, for who has an admin key."""

from enum import StrEnum
from typing import Annotated

import typer

from catvq_client.calls import DEFAULT_URL
from catvq_client.records import Key
from catvq_client.terminal.display import print_fields, print_json, print_table
from catvq_client.terminal.session import JsonOption, UrlOption, connected, say

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
        list_keys(url, as_json=as_json)


@app.command("list")
def list_keys(url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """List the keys, without their secrets."""
    with connected(url) as client:
        found = client.keys.list()
        if as_json:
            print_json([key.document() for key in found])
        else:
            rows = ((key.id, key.name, key.scope, f"{key.created_at:%Y-%m-%d %H:%M}") for key in found)
            print_table(("id", "name", "scope", "created"), rows)


@app.command()
def create(
    scope: Annotated[Scope, typer.Option("--scope", help="What the key allows.")],
    name: Annotated[str | None, typer.Option("--name", help="A label for people.")] = None,
    url: UrlOption = DEFAULT_URL,
    *,
    as_json: JsonOption = False,
) -> None:
    """Create a key; its secret is shown once."""
    with connected(url) as client:
        _show(client.keys.create(scope.value, name=name), as_json=as_json)


@app.command()
def rotate(key: KeyArgument, url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """Replace a key's secret; the old one is invalid within a second."""
    with connected(url) as client:
        _show(client.keys.rotate(key), as_json=as_json)


@app.command()
def revoke(key: KeyArgument, url: UrlOption = DEFAULT_URL, *, as_json: JsonOption = False) -> None:
    """Revoke a key within a second."""
    with connected(url) as client:
        client.keys.revoke(key)
        if as_json:
            print_json({"revoked": key})
        else:
            say(f"revoked {key}")


def _show(key: Key, *, as_json: bool) -> None:
    if as_json:
        print_json(key.document())
    else:
        print_fields({"id": key.id, "name": key.name, "scope": key.scope, "secret": key.secret})
