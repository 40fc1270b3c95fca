"""`python -m worker.store`: migrate the database, back up and restore the store, manage API keys."""

import argparse
import sys
from pathlib import Path

from worker.contract.settings import ServiceSettings
from worker.store import cli_keys
from worker.store.database import durable_files
from worker.store.database.errors import StoreError
from worker.store.store import Store


def main() -> int:
    """Run the command; returns the exit status."""
    arguments = _parser().parse_args()
    durable_files.keep_private()
    try:
        store = Store.open(ServiceSettings())
        try:
            arguments.run(store, arguments)
        finally:
            store.close()
    except StoreError as error:
        reason = f" ({error.__cause__})" if error.__cause__ else ""
        sys.stderr.write(f"{error}{reason}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m worker.store", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    migrate = commands.add_parser("migrate", help="create the tables or update them to the newest layout")
    migrate.set_defaults(run=_say_migrated)
    backup = commands.add_parser("backup", help="copy the store into a new directory; the service may run")
    backup.add_argument("directory", type=Path)
    backup.set_defaults(run=_back_up)
    restore = commands.add_parser("restore", help="fill an empty data directory and database from a backup")
    restore.add_argument("directory", type=Path)
    restore.set_defaults(run=_restore)
    cli_keys.add_to(commands.add_parser("keys", help="create, list, rotate and revoke API keys"))
    return parser


def _say_migrated(_store: Store, _arguments: argparse.Namespace) -> None:
    sys.stdout.write("The database is in the newest layout.\n")  # opening the store migrated it


def _back_up(store: Store, arguments: argparse.Namespace) -> None:
    store.backups.make(arguments.directory)
    sys.stdout.write(f"Everything was copied to {arguments.directory}.\n")


def _restore(store: Store, arguments: argparse.Namespace) -> None:
    store.backups.restore(arguments.directory)
    sys.stdout.write(f"Everything was restored from {arguments.directory}.\n")


if __name__ == "__main__":
    sys.exit(main())
