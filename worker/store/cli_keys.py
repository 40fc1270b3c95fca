"""`python -m worker.store keys ...`: creates, lists, rotates and revokes API keys; no restart is needed."""

import argparse
import sys

from pydantic import TypeAdapter, ValidationError

from catvq.names import Name
from worker.store.keys import KeyRecord, NewKey, Scope
from worker.store.store import Store


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the commands to a parser."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    create = commands.add_parser("create", help="create a key and print its secret once")
    create.add_argument("--scope", type=Scope, choices=list(Scope), required=True)
    create.add_argument("--name", type=_name, help="a name for people, such as the owner")
    create.set_defaults(run=_create)
    commands.add_parser("list", help="list the keys").set_defaults(run=_list)
    for name, run, text in (
        ("rotate", _rotate, "replace a key's secret and print the new one"),
        ("revoke", _revoke, "delete a key"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("id", help="the key's id, as in the list")
        command.set_defaults(run=run)


def _name(text: str) -> str:
    try:
        return TypeAdapter(Name).validate_python(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(error.errors()[0]["msg"]) from None


def _create(store: Store, arguments: argparse.Namespace) -> None:
    _print_secret(store.keys.create(arguments.scope, arguments.name))


def _list(store: Store, _arguments: argparse.Namespace) -> None:
    cursor = None
    while True:
        page = store.keys.list(limit=1000, cursor=cursor)
        for record in page.items:
            sys.stdout.write(f"{_line(record)}\n")
        cursor = page.next_cursor
        if cursor is None:
            return


def _rotate(store: Store, arguments: argparse.Namespace) -> None:
    _print_secret(store.keys.rotate(arguments.id))


def _revoke(store: Store, arguments: argparse.Namespace) -> None:
    store.keys.revoke(arguments.id)
    sys.stdout.write(f"{arguments.id} is revoked.\n")


def _print_secret(new: NewKey) -> None:
    """Print only the secret on standard output, so that a script can read it."""
    sys.stderr.write(f"{_line(new.record)}\nThe key, which is not shown again:\n")
    sys.stdout.write(f"{new.secret}\n")


def _line(record: KeyRecord) -> str:
    times = f"created {record.created_at:%Y-%m-%d %H:%M}"
    if record.rotated_at is not None:
        times += f", rotated {record.rotated_at:%Y-%m-%d %H:%M}"
    return f"{record.id}  {record.scope.value:5}  {times}  {record.name or ''}".rstrip()
