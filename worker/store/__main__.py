"""`python -m worker.store migrate`: prepare the database before the services start."""

import argparse
import sys

from worker.settings import ServiceSettings
from worker.store import Store, StoreUnavailable


def main() -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m worker.store", description=__doc__)
    parser.add_argument("command", choices=["migrate"], help="bring the database to the newest layout")
    parser.parse_args()
    settings = ServiceSettings()
    try:
        Store.open(settings).close()
    except StoreUnavailable as error:
        sys.stderr.write(f"{error} ({error.__cause__})\n")
        return 1
    sys.stdout.write("The database is in the newest layout.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
