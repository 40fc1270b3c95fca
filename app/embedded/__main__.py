"""Command `python -m app.embedded`: runs Redis, the API and a worker in the foreground."""

import argparse
import logging
import sys
from pathlib import Path

from app.embedded.lock import DirectoryInUseError, DirectoryUnusableError
from app.embedded.redis import RedisNotFoundError
from app.embedded.supervisor import Options, StartError, run
from app.process.safe_path import hand_down_safe_path
from worker.store.database import durable_files


def main() -> int:
    """Run the service and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m app.embedded", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8000, help="port; 0 chooses a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="data directory (default: %(default)s)"
    )
    parser.add_argument(
        "--api-workers", type=int, default=1, help="number of API processes (default: %(default)s)"
    )
    arguments = parser.parse_args()
    hand_down_safe_path()
    durable_files.keep_private()
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s", level=logging.INFO)
    try:
        options = Options(arguments.host, arguments.port, arguments.data.resolve(), arguments.api_workers)
        run(options)
    except (DirectoryInUseError, DirectoryUnusableError, StartError, RedisNotFoundError) as error:
        sys.stderr.write(f"catvq cannot start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
