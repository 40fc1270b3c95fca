"""`python -m worker.store`: prepare the database before the services start, and manage API keys."""

import argparse
import sys

from worker.settings import ServiceSettings
from worker.store import key_commands
from worker.store.errors import StoreError
from worker.store.store import Store


def main() -> int:
    """Run the command; returns the exit status."""
    arguments = _parser().parse_args()
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
    migrate = commands.add_parser("migrate", help="bring the database to the newest layout")
    migrate.set_defaults(run=_say_migrated)
    key_commands.add_to(commands.add_parser("keys", help="create, list, rotate and revoke API keys"))
    return parser


def _say_migrated(_store: Store, _arguments: argparse.Namespace) -> None:
    sys.stdout.write("The database is in the newest layout.\n")  # opening the store has done it


if __name__ == "__main__":
    sys.exit(main())
